//! Quarantine: malformed records of sources.

use chrono::{DateTime, Utc};
use domain::ingest::{Quarantined, Source};
use sqlx::{PgConnection, PgPool};

use crate::StorageError;

/// Stores malformed records with their reasons; a record that is already stored increases its counter.
pub async fn add(conn: &mut PgConnection, source: Source, rows: &[Quarantined]) -> Result<(), StorageError> {
    if rows.is_empty() {
        return Ok(());
    }
    let location: Vec<String> = rows.iter().map(|r| r.location.clone()).collect();
    let field: Vec<Option<String>> = rows.iter().map(|r| r.field.clone()).collect();
    let reason: Vec<String> = rows.iter().map(|r| r.reason.clone()).collect();
    let record: Vec<String> = rows.iter().map(|r| r.record.clone()).collect();
    sqlx::query!(
        r#"INSERT INTO quarantine (source, location, field, reason, record)
           SELECT DISTINCT ON (location, reason) $1, location, field, reason, record
           FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS q(location, field, reason, record)
           ON CONFLICT (source, location, reason)
           DO UPDATE SET times_seen = quarantine.times_seen + 1, last_seen_at = now()"#,
        source.as_str(),
        &location,
        &field as &[Option<String>],
        &reason,
        &record,
    )
    .execute(conn)
    .await?;
    Ok(())
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
