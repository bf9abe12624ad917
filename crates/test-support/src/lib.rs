//! For tests only: real servers from the environment, and data that no other test sees.
//!
//! A database per test comes from `#[sqlx::test(migrator = "storage::MIGRATOR")]`; [`unique_prefix`] gives each test its
//! own keys in Redis and its own search index. `scripts/test.sh` starts the servers and sets the variables.

// A broken precondition of a test should end it on the spot.
#![allow(clippy::expect_used, clippy::unwrap_used)]

pub mod batch;
pub mod faulty;
pub mod fixture;
pub mod live;
pub mod proxy;
pub mod tmdb_stub;
mod wait;

use secrecy::SecretString;
use sqlx::PgPool;

pub use wait::{Condition, POLL, eventually};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with scripts/test.sh, which starts the servers they need")
    })
}

/// The Redis that holds queues.
pub fn redis_url() -> SecretString {
    SecretString::from(variable("REDIS_URL"))
}

/// The Redis that holds the cache; by default the same server.
pub fn cache_redis_url() -> SecretString {
    SecretString::from(std::env::var("CACHE_REDIS_URL").unwrap_or_else(|_| variable("REDIS_URL")))
}

/// A real Meilisearch, where the environment names one. Tests that need it say that they skip.
pub fn meili_url() -> Option<String> {
    std::env::var("MEILI_URL").ok().filter(|url| !url.is_empty())
}

/// The key of [`meili_url`]; `None` where the server needs none.
pub fn meili_key() -> Option<SecretString> {
    std::env::var("MEILI_MASTER_KEY").ok().filter(|key| !key.is_empty()).map(SecretString::from)
}

/// A name that no other test uses, for Redis keys and search indexes.
pub fn unique_prefix() -> String {
    format!("test-{}", uuid::Uuid::new_v4().simple())
}

/// The URL of a test's own database, for processes that a test starts.
pub fn database_url(pool: &PgPool) -> String {
    use sqlx::ConnectOptions;
    pool.connect_options().to_url_lossy().to_string()
}

/// The same database through a pool with the session settings that services use.
pub async fn service_pool(pool: &PgPool) -> PgPool {
    let options = storage::postgres::with_session_settings(pool.connect_options().as_ref().clone());
    sqlx::postgres::PgPoolOptions::new()
        .max_connections(8)
        .connect_with(options)
        .await
        .expect("the test's database answers")
}
