//! Health of the database, for the health endpoints and `moviemetric doctor`.

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgPool;

use crate::StorageError;

/// What one statement measures of the database and the pool.
#[derive(Debug, Clone)]
pub struct DatabaseHealth {
    /// Round trip of one statement, including the wait for a connection.
    pub latency: Duration,
    /// `server_version`, such as `18.1`.
    pub version: String,
    /// Number of open connections.
    pub pool_size: u32,
    /// Number of open connections that are not in use.
    pub pool_idle: usize,
}

/// Runs one statement on a connection of the pool.
///
/// # Errors
/// [`StorageError`] when no connection is available within the pool's time limit, or the statement fails.
pub async fn check(pool: &PgPool) -> Result<DatabaseHealth, StorageError> {
    let start = Instant::now();
    let version =
        sqlx::query_scalar!(r#"SELECT current_setting('server_version') AS "version!""#).fetch_one(pool).await?;
    Ok(DatabaseHealth { latency: start.elapsed(), version, pool_size: pool.size(), pool_idle: pool.num_idle() })
}

/// How fresh the batch layer is.
#[derive(Debug, Clone)]
pub struct BatchFreshness {
    /// The newest publication time of any artifact.
    pub last_update: Option<DateTime<Utc>>,
    /// Number of rows of all published runs.
    pub document_count: i64,
    /// The newest day with a snapshot of any movie.
    pub newest_metrics: Option<NaiveDate>,
    /// Number of movies as estimated by the planner; 0 before the first `ANALYZE`.
    pub movie_count: i64,
}

/// Reads [`BatchFreshness`]. `movie_count` is the planner's estimate: counting a million rows is too slow for a probe.
pub async fn batch(pool: &PgPool) -> Result<BatchFreshness, StorageError> {
    let row = sqlx::query!(
        r#"SELECT max(r.published_at) AS last_update, coalesce(sum(r.row_count), 0)::bigint AS "document_count!",
                  (SELECT max(day) FROM movie_metrics_daily) AS newest_metrics,
                  (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'movies'::regclass) AS "movie_count!"
           FROM artifact_heads h JOIN artifact_runs r USING (run_id)"#
    )
    .fetch_one(pool)
    .await?;
    Ok(BatchFreshness {
        last_update: row.last_update,
        document_count: row.document_count,
        newest_metrics: row.newest_metrics,
        movie_count: row.movie_count,
    })
}

/// Number of this program's migrations that the database has not applied.
pub async fn migrations_pending(pool: &PgPool) -> Result<usize, StorageError> {
    let known = crate::MIGRATOR.iter().count();
    let exists = sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "exists!""#)
        .fetch_one(pool)
        .await?;
    if !exists {
        return Ok(known);
    }
    let applied: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success").fetch_one(pool).await?;
    Ok(known.saturating_sub(usize::try_from(applied).unwrap_or(0)))
}

/// Checks that a service can work: PostgreSQL answers, and its schema is the one that this program expects.
///
/// # Errors
/// A sentence that names the problem for an operator.
pub async fn ready(pool: &PgPool) -> Result<(), String> {
    match migrations_pending(pool).await {
        Ok(0) => Ok(()),
        Ok(pending) => Err(format!("{pending} migrations are pending: run `moviemetric migrate`")),
        Err(error) => {
            tracing::debug!(%error, "not ready");
            Err("PostgreSQL is not reachable".to_owned())
        }
    }
}
