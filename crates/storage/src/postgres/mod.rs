//! All SQL, sorted by the data: one module per feature, one function per query.
//!
//! `catalogue` is what sources say of movies, `facts` what viewers did, `speed` and `batch` the two layers of views over
//! them, `layers` what is read from both at once, `recommendations` what a viewer's list is made of, `artifacts` runs and
//! heads, `jobs` the ledger, `models` the registry of recommenders, `changes` notifications.

pub mod artifacts;
pub mod batch;
pub mod catalogue;
pub mod changes;
mod clock;
mod counts;
pub mod experiments;
pub mod facts;
pub mod health;
pub mod history;
pub mod jobs;
pub mod layers;
pub mod models;
pub mod recommendations;
pub mod search_outbox;
pub mod served_lists;
pub mod speed;
pub mod viewers;
mod which;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use crate::{StorageError, Store};

pub use which::Which;

/// Threshold of trigram word similarity, 0 to 1, above which a word counts as a misspelling of another. pg_trgm's
/// default of 0.6 misses transpositions in short words ("godfahter"); below 0.4 unrelated titles match.
pub const WORD_SIMILARITY: &str = "0.4";

/// `statement_timeout` of services and tools. Attempts at jobs have their own time limit ([`jobs::attempt`]).
const STATEMENT_TIMEOUT: &str = "600s";

/// `idle_in_transaction_session_timeout`: a client that hangs within a transaction must not keep its locks. Computations
/// between two statements of one transaction take seconds.
const IDLE_IN_TRANSACTION: &str = "120s";

/// Opens a pool of `size` connections. A `lazy` pool connects on first use, so that a service starts (and answers 503)
/// while the database is still unreachable.
///
/// # Errors
/// [`StorageError::Configuration`] for a malformed URL; with `lazy` false also an unreachable server.
pub async fn connect(url: &str, size: u32, acquire_timeout: Duration, lazy: bool) -> Result<PgPool, StorageError> {
    let pool = PgPoolOptions::new().max_connections(size).acquire_timeout(acquire_timeout);
    let options = with_session_settings(parsed(url)?);
    if lazy {
        return Ok(pool.connect_lazy_with(options));
    }
    match pool.connect_with(options.clone()).await {
        // sqlx retries a refused connection until the time limit and then reports only the time-out.
        Err(sqlx::Error::PoolTimedOut) => Err(why_unreachable(&options, acquire_timeout).await),
        pool => Ok(pool?),
    }
}

/// Determines why no connection can be opened, by one more attempt.
async fn why_unreachable(options: &PgConnectOptions, limit: Duration) -> StorageError {
    match tokio::time::timeout(limit, PgConnection::connect_with(options)).await {
        Ok(Err(error)) => error.into(),
        // Connecting took longer than the limit, also when it succeeds now.
        Ok(Ok(_)) | Err(_) => StorageError::TimedOut { store: Store::Postgres, after: limit },
    }
}

/// `statement_timeout` of requests: the client has given up by then, and an abandoned query must not occupy one of the
/// few connections.
const REQUEST_STATEMENT_TIMEOUT: &str = "10s";

/// Longest idle time after which a connection is used without a ping. By default sqlx pings before each use, which
/// doubles the round trips of a point read; without it, a server that failed within the last second costs one request a
/// 503.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Opens a lazy pool for requests: short statement time-out, no ping before each use.
///
/// # Errors
/// A malformed URL ([`StorageError::Configuration`]).
pub fn connect_for_requests(url: &str, size: u32, acquire_timeout: Duration) -> Result<PgPool, StorageError> {
    let options = with_session_settings(parsed(url)?).options([("statement_timeout", REQUEST_STATEMENT_TIMEOUT)]);
    let pool = PgPoolOptions::new().max_connections(size).acquire_timeout(acquire_timeout).test_before_acquire(false);
    let pool = pool.before_acquire(|conn, meta| {
        Box::pin(async move {
            if meta.idle_for > TRUSTED_IDLE {
                conn.ping().await?;
            }
            Ok(true)
        })
    });
    Ok(pool.connect_lazy_with(options))
}

fn parsed(url: &str) -> Result<PgConnectOptions, StorageError> {
    PgConnectOptions::from_str(url).map_err(|error| match error {
        sqlx::Error::Configuration(reason) => StorageError::configuration(Store::Postgres, reason),
        error => error.into(),
    })
}

/// A lazy pool to the same database with generic plans (`plan_cache_mode`), so that a statement is planned once per
/// connection. By default PostgreSQL plans a statement with many joins at each execution as long as it expects to gain
/// from the parameters; for the look-up of movies by id, planning takes longer than execution.
pub fn planned_once(pool: &PgPool, size: u32) -> PgPool {
    let options = PgConnectOptions::clone(&pool.connect_options()).options([("plan_cache_mode", "force_generic_plan")]);
    pool.options().clone().max_connections(size).connect_lazy_with(options)
}

/// The session settings that our SQL requires; tests apply them to their own pools.
pub fn with_session_settings(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("moviemetric").options([
        ("pg_trgm.word_similarity_threshold", WORD_SIMILARITY),
        ("statement_timeout", STATEMENT_TIMEOUT),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
        // Point reads and chunked inserts gain nothing from JIT compilation and lose tens of milliseconds per query.
        ("jit", "off"),
        recommendations::candidates::HNSW_ITERATIVE_SCAN,
        recommendations::candidates::HNSW_EF_SEARCH,
    ])
}
