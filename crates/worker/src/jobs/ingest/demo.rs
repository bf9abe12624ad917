//! The demo world: movies, sixty days of metrics, viewers' ratings and reviews, each day one more.

use std::convert::Infallible;

use chrono::{NaiveDate, NaiveTime, Utc};
use domain::ingest::Source;
use sources::demo::{DemoConfig, world};
use storage::StorageError;
use storage::postgres;
use storage::postgres::catalogue::demo::DemoWorld;
use storage::postgres::catalogue::{self, IngestCounts, LoadError};
use storage::postgres::speed;

use crate::{JobContext, JobError, Shared};

/// Extends the world that was loaded; makes the default one where there is none. `None` if somebody's own movies are
/// there and no demo world: made-up numbers must not reach real movies.
pub(super) async fn run(shared: &Shared, context: &JobContext) -> Result<Option<IngestCounts>, JobError> {
    let today = Utc::now().date_naive();
    let config = match loaded(shared, today).await? {
        Some(config) => config,
        None if postgres::catalogue::demo::has_others(&shared.pool).await? => return Ok(None),
        None => DemoConfig { seed: shared.settings.demo.seed, ..DemoConfig::new(today) },
    };
    let midnight = config.today.and_time(NaiveTime::MIN).and_utc();
    let DemoConfig { movies, users, days, ratings, seed, .. } = config;
    let records = world(config).map(Ok::<_, Infallible>);
    let tally = catalogue::load(&shared.pool, Source::Demo, records, |done| {
        context.progress(done as i64, None, "loading the demo world");
    })
    .await
    .map_err(|error| match error {
        LoadError::Storage(error) => JobError::from(error),
        LoadError::Source(never) => match never {},
        LoadError::Reader(error) => JobError::Permanent(error.to_string()),
    })?;
    let mut tx = shared.pool.begin().await.map_err(StorageError::from)?;
    // A day's numbers are those of its first moment; the hourly refresh goes on from there.
    speed::follow_catalogue(&mut tx, None, midnight).await?;
    postgres::catalogue::demo::save(&mut tx, &DemoWorld { movies, users, days, ratings, seed }).await?;
    tx.commit().await.map_err(StorageError::from)?;
    Ok(Some(tally))
}

/// The world that was loaded, up to a day.
pub(in crate::jobs) async fn loaded(shared: &Shared, today: NaiveDate) -> Result<Option<DemoConfig>, JobError> {
    let world = postgres::catalogue::demo::load(&shared.pool).await?;
    Ok(world.map(|DemoWorld { movies, users, days, ratings, seed }| DemoConfig {
        movies,
        users,
        days,
        ratings,
        seed,
        today,
    }))
}
