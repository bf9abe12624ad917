//! Ingest from the demo world: movies, sixty days of metrics, viewers' ratings and reviews; each run extends it to
//! today.

use std::convert::Infallible;

use chrono::{NaiveDate, NaiveTime, Utc};
use sources::demo::{DemoConfig, world};
use storage::postgres;
use storage::postgres::catalogue::demo::DemoWorld;
use storage::postgres::catalogue::{self, IngestCounts, LoadError, SourceLease};
use storage::postgres::speed;

use crate::{JobContext, JobError, Shared};

/// Extends the demo world that was loaded, or loads the default one. Returns `None` if the catalogue has movies of
/// another source and no demo world: made-up numbers must not be written to real movies.
pub(super) async fn run(
    shared: &Shared,
    context: &JobContext,
    lease: &SourceLease,
) -> Result<Option<IngestCounts>, JobError> {
    let today = Utc::now().date_naive();
    let config = match loaded(context, today).await? {
        Some(config) => config,
        None if postgres::catalogue::demo::has_others(context.pool()).await? => return Ok(None),
        None => DemoConfig { seed: shared.settings.demo.seed, ..DemoConfig::new(today) },
    };
    let midnight = config.today.and_time(NaiveTime::MIN).and_utc();
    let DemoConfig { movies, users, days, ratings, seed, .. } = config;
    let records = world(config).map(Ok::<_, Infallible>);
    let tally = catalogue::load_as_of(context.pool(), lease, Some(midnight), records, |done| {
        context.progress(done as i64, None, "loading the demo world");
    })
    .await
    .map_err(|error| match error {
        LoadError::Storage(error) => JobError::from(error),
        LoadError::Source(never) => match never {},
        LoadError::Reader(error) => JobError::Permanent(error.to_string()),
    })?;
    let mut tx = context.begin().await?;
    // A day's numbers are valid at its first moment; the hourly refresh continues from there.
    speed::follow_catalogue(&mut tx, None, midnight).await?;
    catalogue::aliases::put_missing(&mut tx, &sources::demo::aliases()).await?;
    postgres::catalogue::demo::save(&mut tx, &DemoWorld { movies, users, days, ratings, seed }).await?;
    lease.check(&mut tx).await?;
    tx.commit().await?;
    Ok(Some(tally))
}

/// The configuration of the loaded demo world, with its history up to a day; `None` where none was loaded.
pub(in crate::jobs) async fn loaded(context: &JobContext, today: NaiveDate) -> Result<Option<DemoConfig>, JobError> {
    let world = postgres::catalogue::demo::load(context.pool()).await?;
    Ok(world.map(|DemoWorld { movies, users, days, ratings, seed }| DemoConfig {
        movies,
        users,
        days,
        ratings,
        seed,
        today,
    }))
}
