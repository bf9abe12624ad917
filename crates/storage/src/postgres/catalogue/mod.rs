//! The catalogue: what sources say of movies. Records of any source are written in chunks, each chunk one transaction with
//! its cursor.

pub mod demo;
mod load;
pub mod movies;
pub mod quarantine;
pub mod search;
mod upsert;
mod viewers;
mod writer;

use domain::MovieId;
use domain::ingest::Source;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::PgAdvisoryLock;
use sqlx::{Connection, Either, PgConnection, PgPool};

pub use load::{LoadError, load, published};
pub(crate) use upsert::{known, refresh_search};
pub use writer::write;

use super::changes;
use crate::StorageError;

/// 404s in a row that make a movie a tombstone. A single one may come from a stale cache of TMDB's.
pub const MISSING_LIMIT: i32 = 2;

/// What a batch, or a whole ingest, did. Movies that were already as described count as unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestCounts {
    /// Movies that the catalogue did not have.
    pub movies_added: u64,
    /// Movies with at least one new value.
    pub movies_changed: u64,
    /// Movies that were already as described.
    pub movies_unchanged: u64,
    /// Daily snapshots written.
    pub metrics: u64,
    /// Ratings written.
    pub ratings: u64,
    /// Reviews written.
    pub reviews: u64,
    /// Records set aside.
    pub quarantined: u64,
    /// Movies that became tombstones.
    pub tombstoned: u64,
}

impl std::ops::AddAssign for IngestCounts {
    fn add_assign(&mut self, other: Self) {
        self.movies_added += other.movies_added;
        self.movies_changed += other.movies_changed;
        self.movies_unchanged += other.movies_unchanged;
        self.metrics += other.metrics;
        self.ratings += other.ratings;
        self.reviews += other.reviews;
        self.quarantined += other.quarantined;
        self.tombstoned += other.tombstoned;
    }
}

/// How far a source has been read; `None` before its first ingest.
pub async fn cursor(pool: &PgPool, source: Source) -> Result<Option<Value>, StorageError> {
    Ok(sqlx::query_scalar!("SELECT cursor FROM source_cursors WHERE source = $1", source.as_str())
        .fetch_optional(pool)
        .await?)
}

/// Moves a source's cursor; in the transaction of the rows it speaks of.
pub async fn save_cursor(conn: &mut PgConnection, source: Source, cursor: &Value) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO source_cursors (source, cursor) VALUES ($1, $2)
         ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor, updated_at = now()",
        source.as_str(),
        cursor,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts one more 404 for each movie; answers those that became tombstones by it. Their history stays, PostgreSQL
/// search forgets them here and every API process hears of them, Meilisearch is told by the caller.
pub async fn record_missing(conn: &mut PgConnection, ids: &[MovieId]) -> Result<Vec<MovieId>, StorageError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let gone = sqlx::query_scalar!(
        "WITH counted AS (
             UPDATE movies SET missing_count = missing_count + 1,
                    tombstoned_at = CASE WHEN missing_count + 1 >= $2 THEN now() END, updated_at = now()
             WHERE movie_id = ANY($1) AND tombstoned_at IS NULL
             RETURNING movie_id, tombstoned_at)
         SELECT movie_id FROM counted WHERE tombstoned_at IS NOT NULL",
        &ids,
        MISSING_LIMIT,
    )
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM movie_search WHERE movie_id = ANY($1)", &gone).execute(&mut *conn).await?;
    changes::touch(conn, gone.iter().copied()).await?;
    gone.into_iter().map(movie_id).collect()
}

/// At most `limit` movies that were missing once and are to be asked for again, longest missing first.
pub async fn missing_once(pool: &PgPool, limit: i64) -> Result<Vec<MovieId>, StorageError> {
    let rows = sqlx::query_scalar!(
        "SELECT movie_id FROM movies WHERE missing_count > 0 AND tombstoned_at IS NULL ORDER BY updated_at LIMIT $1",
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(movie_id).collect()
}

/// A stored id as the domain knows it.
pub(crate) fn movie_id(raw: i64) -> Result<MovieId, StorageError> {
    MovieId::new(raw).map_err(|_| StorageError::Corrupt(format!("movie_id {raw}")))
}

/// Advisory lock on a source across processes, since two ingests of one source would move each other's cursor. `None`:
/// another process holds it. It is free again when the guard's connection closes.
pub async fn lock(pool: &PgPool, source: Source) -> Result<Option<SourceLock>, StorageError> {
    let lock = PgAdvisoryLock::new(format!("ingest:{}", source.as_str()));
    // A connection of its own, not the pool's: the lock lives as long as the session.
    let connection = PgConnection::connect_with(&pool.connect_options()).await?;
    Ok(match lock.try_acquire(connection).await? {
        Either::Left(guard) => Some(SourceLock { _connection: guard.leak() }),
        Either::Right(_) => None,
    })
}

/// Guard of [`lock`]; dropping it frees the source.
pub struct SourceLock {
    _connection: PgConnection,
}
