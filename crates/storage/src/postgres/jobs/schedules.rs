//! The ticks of each line of the schedule that were enqueued.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::StorageError;

/// Records a line and returns the moment up to which its ticks are settled: its newest enqueued tick, or else the moment
/// at which it was first seen, since a line never seen before has missed nothing.
pub async fn settled_until(pool: &PgPool, name: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, StorageError> {
    Ok(sqlx::query_scalar!(
        // The update changes nothing; it is there so that RETURNING answers for a known line too.
        r#"INSERT INTO schedules (name, first_seen_at) VALUES ($1, $2)
           ON CONFLICT (name) DO UPDATE SET name = excluded.name
           RETURNING greatest(first_seen_at, last_tick_at) AS "settled!""#,
        name,
        now,
    )
    .fetch_one(pool)
    .await?)
}

/// Settles a line's tick and all before it; returns `false` where it was settled before, in which case nothing is to be
/// enqueued. Call it in the transaction that enqueues: of several schedulers, one gets `true`.
pub async fn settle(conn: &mut PgConnection, name: &str, tick: DateTime<Utc>) -> Result<bool, StorageError> {
    let settled = sqlx::query!(
        "UPDATE schedules SET last_tick_at = $2 WHERE name = $1 AND greatest(first_seen_at, last_tick_at) < $2",
        name,
        tick,
    )
    .execute(conn)
    .await?;
    Ok(settled.rows_affected() == 1)
}
