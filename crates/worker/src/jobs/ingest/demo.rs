//! The demo world: films, sixty days of metrics, viewers' ratings and reviews, each day one more.

use std::convert::Infallible;

use chrono::Utc;
use domain::ingest::Source;
use sources::demo::{DemoConfig, world};
use storage::postgres;
use storage::postgres::catalogue::{self, LoadError, Tally};
use storage::postgres::demo::DemoWorld;

use crate::{JobContext, JobError, Shared};

/// Extends the world that was loaded; makes the default one where there is none.
pub(super) async fn run(shared: &Shared, context: &JobContext) -> Result<Tally, JobError> {
    let mut config = DemoConfig::new(Utc::now().date_naive());
    config.seed = shared.settings.demo.seed;
    if let Some(DemoWorld { movies, users, days, ratings, seed }) = postgres::demo::load(&shared.pool).await? {
        config = DemoConfig { movies, users, days, ratings, seed, ..config };
    }
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
    let mut conn = shared.pool.acquire().await.map_err(storage::StorageError::from)?;
    postgres::demo::save(&mut conn, &DemoWorld { movies, users, days, ratings, seed }).await?;
    Ok(tally)
}
