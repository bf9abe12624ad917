//! Quarantine: malformed records of sources, and the movies that are asked for again because of them.

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::ingest::{Quarantined, Source, retry_after};
use domain::page::Page;
use sqlx::{PgConnection, PgPool};

use super::movie_id;
use crate::StorageError;
use crate::postgres::Which;

/// Stores malformed records with their reasons; a record that is already stored increases its counter. A movie that is
/// to be asked for again gets the time of its next try.
pub async fn add(conn: &mut PgConnection, source: Source, rows: &[Quarantined]) -> Result<(), StorageError> {
    if rows.is_empty() {
        return Ok(());
    }
    let movie: Vec<Option<i64>> = rows.iter().map(|r| r.movie_id.map(MovieId::get)).collect();
    let location: Vec<String> = rows.iter().map(|r| r.location.clone()).collect();
    let field: Vec<Option<String>> = rows.iter().map(|r| r.field.clone()).collect();
    let reason: Vec<String> = rows.iter().map(|r| r.reason.clone()).collect();
    let record: Vec<String> = rows.iter().map(|r| r.record.clone()).collect();
    sqlx::query!(
        "INSERT INTO quarantine (source, location, field, reason, record, movie_id)
         SELECT DISTINCT ON (location, reason) $1, location, field, reason, record, movie_id
         FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
              AS q(location, field, reason, record, movie_id)
         ON CONFLICT (source, location, reason)
         DO UPDATE SET times_seen = quarantine.times_seen + 1, last_seen_at = now()",
        source.as_str(),
        &location,
        &field as &[Option<String>],
        &reason,
        &record,
        &movie as &[Option<i64>],
    )
    .execute(&mut *conn)
    .await?;
    failed(conn, source, &rows.iter().filter_map(|r| r.movie_id).collect::<Vec<_>>()).await
}

/// Counts one more failed try of these quarantined movies and sets the time of the next one. A 404 counts as well: it
/// may be an error of the source.
pub async fn failed(conn: &mut PgConnection, source: Source, movies: &[MovieId]) -> Result<(), StorageError> {
    let movies: Vec<i64> = movies.iter().map(|id| id.get()).collect();
    if movies.is_empty() {
        return Ok(());
    }
    // A movie can have several rows, one for each reason; they share their tries.
    let before = sqlx::query!(
        r#"SELECT movie_id AS "movie_id!", max(tries) AS "tries!" FROM quarantine
           WHERE source = $1 AND movie_id = ANY($2) GROUP BY movie_id"#,
        source.as_str(),
        &movies,
    )
    .fetch_all(&mut *conn)
    .await?;
    let movie: Vec<i64> = before.iter().map(|row| row.movie_id).collect();
    let tries: Vec<i32> = before.iter().map(|row| row.tries.saturating_add(1)).collect();
    let now = Utc::now();
    let next: Vec<Option<DateTime<Utc>>> =
        tries.iter().map(|tries| Some(now + retry_after(tries.unsigned_abs())?)).collect();
    sqlx::query!(
        "UPDATE quarantine q SET tries = f.tries, next_try_at = f.next_try_at
         FROM unnest($2::bigint[], $3::integer[], $4::timestamptz[]) AS f(movie_id, tries, next_try_at)
         WHERE q.source = $1 AND q.movie_id = f.movie_id",
        source.as_str(),
        &movie,
        &tries,
        &next as &[Option<DateTime<Utc>>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the rows of movies that the source has delivered meanwhile.
pub async fn delivered(conn: &mut PgConnection, source: Source, movies: &[i64]) -> Result<(), StorageError> {
    if movies.is_empty() {
        return Ok(());
    }
    sqlx::query!("DELETE FROM quarantine WHERE source = $1 AND movie_id = ANY($2)", source.as_str(), movies)
        .execute(conn)
        .await?;
    Ok(())
}

/// At most `limit` movies whose next try is due, the longest due first.
pub async fn due(pool: &PgPool, source: Source, limit: i64) -> Result<Vec<MovieId>, StorageError> {
    let rows = sqlx::query_scalar!(
        r#"SELECT movie_id AS "movie_id!" FROM quarantine
           WHERE source = $1 AND next_try_at <= now() AND movie_id IS NOT NULL
           GROUP BY movie_id ORDER BY min(next_try_at), movie_id LIMIT $2"#,
        source.as_str(),
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(movie_id).collect()
}

/// A stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    pub quarantine_id: i64,
    pub source: String,
    pub location: String,
    pub field: Option<String>,
    pub reason: String,
    pub record: String,
    pub movie_id: Option<i64>,
    pub times_seen: i32,
    pub tries: i32,
    pub next_try_at: Option<DateTime<Utc>>,
    pub first_seen_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
}

/// A page of the stored records, those of one source or all, newest first; and their total number.
pub async fn page(
    pool: &PgPool,
    source: Option<Source>,
    page: Page,
) -> Result<(Vec<QuarantineRow>, i64), StorageError> {
    let source = source.map(Source::as_str);
    let rows = sqlx::query_as!(
        QuarantineRow,
        "SELECT quarantine_id, source, location, field, reason, record, movie_id, times_seen, tries, next_try_at,
                first_seen_at, last_seen_at
         FROM quarantine WHERE $1::text IS NULL OR source = $1
         ORDER BY quarantine_id DESC LIMIT $2 OFFSET $3",
        source,
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    let total =
        sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM quarantine WHERE $1::text IS NULL OR source = $1"#, source)
            .fetch_one(pool)
            .await?;
    Ok((rows, total))
}

/// Makes the next try of these records' movies due now and gives them all their tries back; returns the records that
/// this applies to, at most `limit`. Records without a movie cannot be asked for again.
pub async fn replay(pool: &PgPool, which: &Which, limit: i64) -> Result<Vec<i64>, StorageError> {
    Ok(sqlx::query_scalar!(
        // `all` leaves out what is due already, so that repeating the request comes to an end.
        "UPDATE quarantine SET tries = 0, next_try_at = now()
         WHERE quarantine_id IN
             (SELECT quarantine_id FROM quarantine
              WHERE movie_id IS NOT NULL
                    AND CASE WHEN $1::bigint[] IS NULL THEN next_try_at IS NULL OR next_try_at > now()
                             ELSE quarantine_id = ANY($1) END
              ORDER BY quarantine_id LIMIT $2)
         RETURNING quarantine_id",
        which.ids(),
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Deletes records, at most `limit`; returns their ids.
pub async fn discard(pool: &PgPool, which: &Which, limit: i64) -> Result<Vec<i64>, StorageError> {
    Ok(sqlx::query_scalar!(
        "DELETE FROM quarantine WHERE quarantine_id IN
             (SELECT quarantine_id FROM quarantine WHERE $1::bigint[] IS NULL OR quarantine_id = ANY($1)
              ORDER BY quarantine_id LIMIT $2)
         RETURNING quarantine_id",
        which.ids(),
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Number of quarantined records of one source.
pub async fn count(conn: &mut PgConnection, source: Source) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM quarantine WHERE source = $1"#, source.as_str())
        .fetch_one(conn)
        .await?)
}

/// Deletes up to `limit` records that no source has delivered since `before`; returns their number.
pub async fn expire(pool: &PgPool, before: DateTime<Utc>, limit: i64) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM quarantine WHERE quarantine_id IN
             (SELECT quarantine_id FROM quarantine WHERE last_seen_at < $1 ORDER BY last_seen_at LIMIT $2)
         -- Said again, since a record may be delivered again while the statement waits for it.
         AND last_seen_at < $1",
        before,
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
