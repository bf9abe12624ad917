//! `moviemetric demo`: loads the demo world, or extends the one that is loaded.

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{NaiveTime, Utc};
use domain::ingest::Source;
use indicatif::{ProgressBar, ProgressStyle};
use sources::demo::{DemoConfig, world};
use storage::postgres::catalogue::demo::DemoWorld;
use storage::postgres::catalogue::{LoadError, SourceLease, Taken};
use storage::postgres::{self, catalogue};

use super::CommandResult;
use crate::settings_for;

/// Sizes that are not given keep the values of the last load; the first load uses the defaults in the help.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Number of movies: the well-known ones first, then synthetic ones [default: all well-known ones]
    #[arg(long)]
    movies: Option<u64>,
    /// Number of viewers [default: 600]
    #[arg(long)]
    users: Option<u64>,
    /// Days of metrics, up to today [default: 60]
    #[arg(long)]
    days: Option<u32>,
    /// Number of viewers' ratings [default: 20000]
    #[arg(long)]
    ratings: Option<u64>,
    /// Seed of all synthetic data; another seed creates another demo world [default: 42]
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) async fn run(args: Args) -> CommandResult {
    let pool = settings_for::database().await?;
    let holder = format!("moviemetric demo, process {}", std::process::id());
    let lease = match SourceLease::take(&pool, Source::Demo, &holder).await? {
        Taken::Lease(lease) => lease,
        Taken::HeldBy(holder) => {
            return Err(format!("another demo load is running ({holder}); wait until it has finished").into());
        }
    };
    let mut config = DemoConfig::new(Utc::now().date_naive());
    if let Some(DemoWorld { movies, users, days, ratings, seed }) = postgres::catalogue::demo::load(&pool).await? {
        config = DemoConfig { movies, users, days, ratings, seed, ..config };
    }
    config = DemoConfig {
        movies: args.movies.unwrap_or(config.movies),
        users: args.users.unwrap_or(config.users),
        days: args.days.unwrap_or(config.days),
        ratings: args.ratings.unwrap_or(config.ratings),
        seed: args.seed.unwrap_or(config.seed),
        ..config
    };
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template(
        "{spinner} demo world: {human_pos} records in {elapsed} ({per_sec})",
    )?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let DemoConfig { movies, users, days, ratings, seed, .. } = config;
    // A day's numbers are valid at its first moment.
    let midnight = config.today.and_time(NaiveTime::MIN).and_utc();
    let records = world(config).map(Ok::<_, Infallible>);
    let load = async {
        let tally =
            catalogue::load_as_of(&pool, &lease, Some(midnight), records, |done| bar.set_position(done)).await?;
        let mut conn = pool.acquire().await?;
        catalogue::aliases::put_missing(&mut conn, &sources::demo::aliases()).await?;
        postgres::catalogue::demo::save(&mut conn, &DemoWorld { movies, users, days, ratings, seed }).await?;
        Ok::<_, LoadError<Infallible>>(tally)
    };
    let loaded = lease.renewed_during(load).await;
    lease.release().await;
    let tally = loaded?;
    bar.finish_and_clear();
    catalogue::analyze(&pool).await?;
    println!("demo world: {}", serde_json::to_string(&tally)?);
    Ok(ExitCode::SUCCESS)
}
