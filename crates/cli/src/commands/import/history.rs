//! `moviemetric import history`: what a viewer watched and rated at another service.

use std::path::Path;
use std::process::ExitCode;

use chrono::Utc;
use domain::viewers::ViewerName;
use sources::history::{BYTES_MAX, read};
use storage::postgres::history::{Imported, import};

use crate::commands::CommandResult;
use crate::settings_for;

pub(super) async fn run(path: &Path, viewer: &ViewerName) -> CommandResult {
    let named = |error: String| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(|error| named(error.to_string()))?.len() > BYTES_MAX {
        return Err(named("the file is too large for an export".to_owned()).into());
    }
    let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
    let history = read(&bytes, Utc::now()).map_err(|error| named(error.to_string()))?;
    let pool = settings_for::database().await?;
    print(&import(&pool, viewer, history).await?);
    Ok(ExitCode::SUCCESS)
}

fn print(report: &Imported) {
    println!("{} entries matched, {} facts added (the others were there already)", report.matched, report.added);
    println!("{} entries about movies that were not found, {} unreadable", report.unmatched, report.unreadable.len());
    for movie in &report.unmatched_movies {
        println!("  {} {}: {}", movie.place, movie.movie, movie.reason);
        for candidate in &movie.candidates {
            let year = candidate.year.map_or(String::new(), |year| format!(" ({year})"));
            println!("    perhaps {} {}{year}", candidate.movie_id, candidate.title);
        }
    }
    for bad in &report.unreadable {
        println!("  {} {}", bad.place, bad.reason);
    }
}
