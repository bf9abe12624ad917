//! Dead letters: entries of the event log that could not be applied, stored unchanged.

use chrono::{DateTime, Utc};
use domain::events::Fact;
use domain::page::Page;
use sqlx::PgPool;

use crate::StorageError;
use crate::event_log::{AppendError, EventSink, LogEntry};
use crate::postgres::Which;

/// Letters read and appended at a time; each is at most some tens of kilobytes.
const CHUNK: i64 = 500;

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

/// What a replay did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters appended to the log again and deleted here.
    pub replayed: u64,
    /// Letters that are no facts; they stay.
    pub unreadable: Vec<i64>,
}

/// Why a replay ended early. The letters that were not appended are still there.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The event log is full.
    #[error("the event log is full after {replayed} letters; replay the others when the worker has caught up")]
    Full { replayed: u64 },
    /// The event log is unreachable.
    #[error("the event log is not reachable: {0}")]
    Away(#[source] StorageError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Appends dead letters to the event log, oldest first and at most `limit`, then deletes them. If the process dies in
/// between, or two replay at once, letters are appended twice and readers drop the duplicates. Events that fail
/// meanwhile become dead letters with new ids, which this replay ignores; otherwise it might never end.
///
/// # Errors
/// See [`ReplayError`].
pub async fn replay(
    pool: &PgPool,
    log: &(impl EventSink + ?Sized),
    which: &Which,
    limit: i64,
) -> Result<Replayed, ReplayError> {
    let (mut after, until, mut left) = (0, newest(pool).await?, limit);
    let mut done = Replayed::default();
    loop {
        let letters = between(pool, after, until, which, left.min(CHUNK)).await?;
        let Some(last) = letters.last() else { return Ok(done) };
        after = last.dead_letter_id;
        left -= letters.len() as i64;
        let (mut ids, mut facts) = (Vec::new(), Vec::<Fact>::new());
        for letter in letters {
            match serde_json::from_str(&letter.payload) {
                Ok(fact) => {
                    ids.push(letter.dead_letter_id);
                    facts.push(fact);
                }
                Err(_) => done.unreadable.push(letter.dead_letter_id),
            }
        }
        log.append(&facts).await.map_err(|error| match error {
            AppendError::Full => ReplayError::Full { replayed: done.replayed },
            AppendError::Unavailable(error) => ReplayError::Away(error),
        })?;
        delete(pool, &ids).await?;
        done.replayed += ids.len() as u64;
    }
}

/// Deletes dead letters for good, oldest first and at most `limit`; returns their ids.
pub async fn discard(pool: &PgPool, which: &Which, limit: i64) -> Result<Vec<i64>, StorageError> {
    Ok(sqlx::query_scalar!(
        "DELETE FROM dead_letters WHERE dead_letter_id IN
             (SELECT dead_letter_id FROM dead_letters WHERE $1::bigint[] IS NULL OR dead_letter_id = ANY($1)
              ORDER BY dead_letter_id LIMIT $2)
         RETURNING dead_letter_id",
        which.ids(),
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// The id of the newest dead letter, 0 where there is none.
async fn newest(pool: &PgPool) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT coalesce(max(dead_letter_id), 0) AS "id!" FROM dead_letters"#)
        .fetch_one(pool)
        .await?)
}

/// Up to `limit` of these dead letters with `after` < id <= `until`, oldest first.
async fn between(
    pool: &PgPool,
    after: i64,
    until: i64,
    which: &Which,
    limit: i64,
) -> Result<Vec<DeadLetter>, StorageError> {
    Ok(sqlx::query_as!(
        DeadLetter,
        "SELECT dead_letter_id, stream, message_id, payload, reason, tries, created_at FROM dead_letters
         WHERE dead_letter_id > $1 AND dead_letter_id <= $2 AND ($3::bigint[] IS NULL OR dead_letter_id = ANY($3))
         ORDER BY dead_letter_id LIMIT $4",
        after,
        until,
        which.ids(),
        limit,
    )
    .fetch_all(pool)
    .await?)
}

async fn delete(pool: &PgPool, ids: &[i64]) -> Result<(), StorageError> {
    sqlx::query!("DELETE FROM dead_letters WHERE dead_letter_id = ANY($1)", ids).execute(pool).await?;
    Ok(())
}

/// The number of dead letters.
pub async fn count(pool: &PgPool) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM dead_letters"#).fetch_one(pool).await?)
}
