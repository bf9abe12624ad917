//! Dead letters: entries of the event log that could not be applied, stored unchanged.

use chrono::{DateTime, Utc};
use domain::page::Page;
use sqlx::PgPool;

use crate::StorageError;
use crate::event_log::LogEntry;

/// An entry of the event log that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub dead_letter_id: i64,
    pub stream: String,
    pub message_id: String,
    pub payload: String,
    pub reason: String,
    pub tries: i32,
    pub created_at: DateTime<Utc>,
}

/// Stores an entry of the log named `stream` that failed `tries` times; commit it to the log afterwards. Idempotent.
pub async fn add(pool: &PgPool, stream: &str, entry: &LogEntry, tries: u64, reason: &str) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO dead_letters (stream, message_id, payload, reason, tries) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (stream, message_id) DO UPDATE SET reason = excluded.reason, tries = excluded.tries",
        stream,
        entry.id,
        // PostgreSQL's `text` type cannot hold NUL; the letter is written with U+FFFD instead.
        entry.payload.replace('\0', "\u{fffd}"),
        reason.replace('\0', "\u{fffd}"),
        i32::try_from(tries).unwrap_or(i32::MAX),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A page of dead letters, newest first, and their total number.
pub async fn page(pool: &PgPool, page: Page) -> Result<(Vec<DeadLetter>, i64), StorageError> {
    let rows = sqlx::query_as!(
        DeadLetter,
        "SELECT dead_letter_id, stream, message_id, payload, reason, tries, created_at
         FROM dead_letters ORDER BY dead_letter_id DESC LIMIT $1 OFFSET $2",
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    Ok((rows, count(pool).await?))
}

/// The id of the newest dead letter, 0 where there is none.
pub async fn newest(pool: &PgPool) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT coalesce(max(dead_letter_id), 0) AS "id!" FROM dead_letters"#)
        .fetch_one(pool)
        .await?)
}

/// Up to `limit` dead letters with `after` < id <= `until`, oldest first.
pub async fn between(pool: &PgPool, after: i64, until: i64, limit: i64) -> Result<Vec<DeadLetter>, StorageError> {
    Ok(sqlx::query_as!(
        DeadLetter,
        "SELECT dead_letter_id, stream, message_id, payload, reason, tries, created_at FROM dead_letters
         WHERE dead_letter_id > $1 AND dead_letter_id <= $2
         ORDER BY dead_letter_id LIMIT $3",
        after,
        until,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Deletes dead letters after they were appended to the log again.
pub async fn delete(pool: &PgPool, ids: &[i64]) -> Result<(), StorageError> {
    sqlx::query!("DELETE FROM dead_letters WHERE dead_letter_id = ANY($1)", ids).execute(pool).await?;
    Ok(())
}

/// The number of dead letters.
pub async fn count(pool: &PgPool) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM dead_letters"#).fetch_one(pool).await?)
}
