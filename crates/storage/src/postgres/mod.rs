//! All SQL. One module a feature, one function a question.

pub mod artifacts;
pub mod batch;
pub mod catalogue;
pub mod changes;
mod counts;
pub mod facts;
pub mod health;
pub mod jobs;
pub mod layers;
pub mod speed;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

use crate::StorageError;

/// Trigram likeness from which a word counts as a typo of another. pg_trgm's own default of 0.6 misses transpositions
/// in short words ("godfahter"); below 0.4 anything finds anything.
pub const WORD_SIMILARITY: &str = "0.4";

/// Longest a single statement of a service may run. Compute jobs, which may take longer, stream their rows.
const STATEMENT_TIMEOUT: &str = "600s";

/// Opens a pool. `lazy` pools connect on first use, so that a service starts (and answers 503) while the database is
/// still on its way.
///
/// # Errors
/// A malformed URL; with `lazy` false also an unreachable server.
pub async fn connect(url: &str, size: u32, acquire_timeout: Duration, lazy: bool) -> Result<PgPool, StorageError> {
    let pool = PgPoolOptions::new().max_connections(size).acquire_timeout(acquire_timeout);
    let options = with_session_settings(PgConnectOptions::from_str(url)?);
    Ok(if lazy { pool.connect_lazy_with(options) } else { pool.connect_with(options).await? })
}

/// Longest a single statement of a request may run: whoever asked has given up by then, and a query nobody waits for
/// must not hold one of the few connections.
const REQUEST_STATEMENT_TIMEOUT: &str = "10s";

/// A connection idle for less than this is taken to be alive. sqlx would ping before each use, which doubles the round
/// trips of a point read; a server that went away within the second costs one request a 503.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Opens a lazy pool for answering requests: short statements, no ping before each.
///
/// # Errors
/// A malformed URL.
pub fn connect_for_requests(url: &str, size: u32, acquire_timeout: Duration) -> Result<PgPool, StorageError> {
    let options = with_session_settings(PgConnectOptions::from_str(url)?)
        .options([("statement_timeout", REQUEST_STATEMENT_TIMEOUT)]);
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

/// A pool beside another, to the same database, whose statements are planned once a connection. PostgreSQL would plan a
/// statement of many joins anew each time it is executed, as long as it thinks that it gains by knowing the parameters;
/// for the look-up of some movies by id, planning takes most of the time.
pub fn planned_once(pool: &PgPool, size: u32) -> PgPool {
    let options = PgConnectOptions::clone(&pool.connect_options()).options([("plan_cache_mode", "force_generic_plan")]);
    pool.options().clone().max_connections(size).connect_lazy_with(options)
}

/// The session settings that our SQL counts on; tests apply them to their own pools.
pub fn with_session_settings(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("moviemetric").options([
        ("pg_trgm.word_similarity_threshold", WORD_SIMILARITY),
        ("statement_timeout", STATEMENT_TIMEOUT),
        // Point reads and batch inserts gain nothing from compiling plans, and lose tens of milliseconds a query.
        ("jit", "off"),
    ])
}
