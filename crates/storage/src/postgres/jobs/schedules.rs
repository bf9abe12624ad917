//! The time at which each line of the schedule was first seen.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::StorageError;

/// Records a line and returns when it was first seen; earlier ticks do not count as missed.
pub async fn first_seen(pool: &PgPool, name: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, StorageError> {
    Ok(sqlx::query_scalar!(
        // The update changes nothing; it is there so that RETURNING answers for a known line too.
        "INSERT INTO schedules (name, first_seen_at) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name
         RETURNING first_seen_at",
        name,
        now,
    )
    .fetch_one(pool)
    .await?)
}
