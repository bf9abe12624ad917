//! `moviemetric import`: loads a public data set into the catalogue.

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::Utc;
use indicatif::{ProgressBar, ProgressStyle};
use sources::dumps::{DumpFormat, open};
use storage::postgres::catalogue::{self, SourceLease, Taken};

use super::CommandResult;
use crate::settings_for;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Format of the data set: tmdb-5000, movies-dataset or movielens
    format: DumpFormat,
    /// The directory with the data set's files
    directory: PathBuf,
}

pub(crate) async fn run(args: Args) -> CommandResult {
    let pool = settings_for::database().await?;
    let source = args.format.source();
    let holder = format!("moviemetric import, process {}", std::process::id());
    let lease = match SourceLease::take(&pool, source, &holder).await? {
        Taken::Lease(lease) => lease,
        Taken::HeldBy(holder) => {
            let source = source.as_str();
            return Err(format!("another import of {source} is running ({holder}); wait until it has finished").into());
        }
    };
    let dump = open(args.format, &args.directory, Utc::now().date_naive())?;
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
