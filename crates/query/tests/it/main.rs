//! Questions asked without HTTP, against real PostgreSQL and Redis.

// A broken precondition of a test should end it on the spot.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod active;
mod lists;
mod loader;
mod merged;
mod model;
mod recommendations;

use std::sync::Arc;
use std::time::Duration;

use query::Reader;
use query::lag::Lag;
use sqlx::PgPool;
use storage::search_index::SearchIndex;
use test_support::{live, service_pool, unique_prefix};

/// A reader of the test's own database, with an empty event log.
async fn reader(pool: &PgPool) -> Arc<Reader> {
    let pool = service_pool(pool).await;
    let search = SearchIndex::new(pool.clone(), None).unwrap();
    let lag = Lag::new(live::log(&unique_prefix(), 1), Duration::from_secs(60));
    let streams_per_client = 16;
    Arc::new(Reader::new(pool, search, Arc::new(lag), streams_per_client))
}
