//! `moviemetric import`: loads a public data set into the catalogue, a caller's names of movies, or a viewer's history.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use chrono::Utc;
use domain::viewers::ViewerName;
use indicatif::{ProgressBar, ProgressStyle};
use sources::dumps::{DumpFormat, UnknownFormat, open};
use storage::postgres::catalogue::{self, SourceLease, Taken};

use super::CommandResult;
use crate::settings_for;

mod aliases;
mod history;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to import: history (a viewer's export from Letterboxd, Trakt, IMDb, or like MovieLens), aliases (callers' own
    /// names of movies), or a data set in the format tmdb-5000, movies-dataset or movielens
    what: What,
    /// The file of the history or of the aliases (CSV with the columns alias and movie_id), or the directory with the data set's files
    path: PathBuf,
    /// The viewer whose history it is
    #[arg(long, value_name = "NAME")]
    user: Option<ViewerName>,
}

#[derive(Clone, Copy)]
enum What {
    Aliases,
    History,
    Dump(DumpFormat),
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "aliases" => Ok(Self::Aliases),
            "history" => Ok(Self::History),
            _ => text.parse().map(Self::Dump).map_err(|error: UnknownFormat| format!("{error}; or aliases, history")),
        }
    }
}

pub(crate) async fn run(args: Args) -> CommandResult {
    match (args.what, args.user) {
        (What::History, Some(viewer)) => history::run(&args.path, &viewer).await,
        (What::History, None) => Err("--user says whose history it is".into()),
        (_, Some(_)) => Err("--user is for a history only".into()),
        (What::Aliases, None) => aliases::run(&args.path).await,
        (What::Dump(format), None) => dump(format, &args.path).await,
    }
}

async fn dump(format: DumpFormat, directory: &Path) -> CommandResult {
    let pool = settings_for::database().await?;
    let source = format.source();
    let holder = format!("moviemetric import, process {}", std::process::id());
    let lease = match SourceLease::take(&pool, source, &holder).await? {
        Taken::Lease(lease) => lease,
        Taken::HeldBy(holder) => {
            let source = source.as_str();
            return Err(format!("another import of {source} is running ({holder}); wait until it has finished").into());
        }
    };
    let dump = open(format, directory, Utc::now().date_naive())?;
    let progress = dump.progress();
    let bar = ProgressBar::new(progress.total()).with_style(ProgressStyle::with_template(
        "{bar:40} {binary_bytes}/{binary_total_bytes} {msg} records, {eta} left",
    )?);
    let load = catalogue::load(&pool, &lease, dump, |done| {
        bar.set_position(progress.read());
        bar.set_message(done.to_string());
    });
    let loaded = lease.renewed_during(load).await;
    lease.release().await;
    let tally = loaded?;
    catalogue::analyze(&pool).await?;
    bar.finish_and_clear();
    println!("{}: {}", source.as_str(), serde_json::to_string(&tally)?);
    if tally.quarantined > 0 {
        println!("{} records were quarantined; the table quarantine has them with their reasons", tally.quarantined);
    }
    Ok(ExitCode::SUCCESS)
}
