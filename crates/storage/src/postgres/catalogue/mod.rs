//! The catalogue: movies as sources describe them. Records of any source are written in chunks, each chunk in one
//! transaction with its cursor.

pub mod aliases;
pub mod demo;
mod lease;
mod load;
pub mod movies;
pub mod quarantine;
pub mod search;
mod search_rows;
mod upsert;
mod viewers;
mod writer;

use domain::MovieId;
use domain::ingest::Source;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

pub use lease::{SOURCE_LEASE, SourceLease, Taken};
pub use load::{LoadError, analyze, load, load_as_of, published};
pub(crate) use search_rows::refresh_search;
pub use upsert::known;
pub use writer::{write, write_as_of};

use super::changes;
use crate::StorageError;

/// Consecutive 404s after which a movie becomes a tombstone. A single 404 may come from a stale cache of TMDB's.
pub const MISSING_LIMIT: i32 = 2;

/// Counts of a chunk or of a whole ingest. A movie whose row already had the same values counts as unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestCounts {
    /// Movies inserted.
    pub movies_added: u64,
    /// Movies with at least one changed value.
    pub movies_changed: u64,
    /// Movies whose row already had the same values.
    pub movies_unchanged: u64,
    /// Daily snapshots written.
    pub metrics: u64,
    /// Ratings written.
    pub ratings: u64,
    /// Reviews written.
    pub reviews: u64,
    /// Records put into quarantine.
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

/// The position up to which a source has been read; `None` before its first ingest.
pub async fn cursor(pool: &PgPool, source: Source) -> Result<Option<Value>, StorageError> {
    Ok(sqlx::query_scalar!("SELECT cursor FROM source_cursors WHERE source = $1", source.as_str())
        .fetch_optional(pool)
        .await?)
}

/// Moves a source's cursor; call it in the transaction that writes the rows before the cursor.
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

/// Counts one more 404 for each movie; returns the movies that became tombstones by it. Their history remains. Their
/// PostgreSQL search rows are deleted here and every API process is notified; Meilisearch follows through the outbox.
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

/// At most `limit` movies with a 404 that are not tombstones and are to be requested again, longest missing first.
pub async fn missing_once(pool: &PgPool, limit: i64) -> Result<Vec<MovieId>, StorageError> {
    let rows = sqlx::query_scalar!(
        "SELECT movie_id FROM movies WHERE missing_count > 0 AND tombstoned_at IS NULL ORDER BY updated_at LIMIT $1",
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(movie_id).collect()
}

/// Those of `ids`, in their order, that the catalogue does not have and the quarantine does not ask for by itself.
pub async fn unlisted(pool: &PgPool, source: Source, ids: &[MovieId]) -> Result<Vec<MovieId>, StorageError> {
    let raw: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let rows = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM unnest($1::bigint[]) WITH ORDINALITY AS listed(id, place)
           WHERE NOT EXISTS (SELECT FROM movies WHERE movie_id = id)
             AND NOT EXISTS (SELECT FROM quarantine q WHERE q.source = $2 AND q.movie_id = id)
           ORDER BY place"#,
        &raw,
        source.as_str(),
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(movie_id).collect()
}

/// Converts a stored id.
pub(crate) fn movie_id(raw: i64) -> Result<MovieId, StorageError> {
    MovieId::new(raw).map_err(|_| StorageError::Corrupt(format!("movie_id {raw}")))
}
