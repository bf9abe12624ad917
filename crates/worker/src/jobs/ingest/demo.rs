//! The demo world: films, sixty days of metrics, viewers' ratings and reviews, each day one more.

use std::convert::Infallible;

use chrono::{NaiveDate, NaiveTime, Utc};
use domain::ingest::Source;
use sources::demo::{DemoConfig, world};
use storage::StorageError;
use storage::postgres;
use storage::postgres::catalogue::{self, LoadError, Tally};
use storage::postgres::demo::DemoWorld;
use storage::postgres::speed;

use crate::{JobContext, JobError, Shared};

/// Extends the world that was loaded; makes the default one where there is none.
pub(super) async fn run(shared: &Shared, context: &JobContext) -> Result<Tally, JobError> {
    let config = config(shared, Utc::now().date_naive()).await?;
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
    })?;
    let mut tx = shared.pool.begin().await.map_err(StorageError::from)?;
    // A day's numbers are those of its first moment; the hourly refresh goes on from there.
    speed::follow_catalogue(&mut tx, None, midnight).await?;
    postgres::demo::save(&mut tx, &DemoWorld { movies, users, days, ratings, seed }).await?;
    tx.commit().await.map_err(StorageError::from)?;
    Ok(tally)
}

/// The world that was loaded, or the default one, up to a day.
pub(in crate::jobs) async fn config(shared: &Shared, today: NaiveDate) -> Result<DemoConfig, JobError> {
    let config = DemoConfig { seed: shared.settings.demo.seed, ..DemoConfig::new(today) };
    Ok(match postgres::demo::load(&shared.pool).await? {
        Some(DemoWorld { movies, users, days, ratings, seed }) => {
            DemoConfig { movies, users, days, ratings, seed, ..config }
        }
        None => config,
    })
}
