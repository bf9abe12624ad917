//! One tick of one line.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::jobs::schedules;
use storage::postgres::jobs::{NewJob, enqueue};

use crate::table::Line;

/// Attempts to enqueue a tick. With back-off of at most a minute they outlast about ten minutes of a database outage; a
/// tick that fails beyond that is enqueued at the next start.
const TRIES: u32 = 15;

/// Enqueues the tick that is due now.
pub(crate) async fn now(pool: &PgPool, line: &Line, now: DateTime<Utc>) {
    // The callback runs a little late; the key uses the cron expression's own time, which is the same in every
    // scheduler.
    let Some(at) = line.last(now) else { return };
    for attempt in 1..=TRIES {
        match write(pool, line, at).await {
            Ok(created) => return tracing::info!(line = line.name, %at, created, "tick"),
            Err(error) => {
                tracing::warn!(line = line.name, %at, %error, attempt, "the tick was not enqueued");
                let wait = Duration::from_secs(2).saturating_mul(2u32.saturating_pow(attempt - 1));
                tokio::time::sleep(wait.min(Duration::from_secs(60))).await;
            }
        }
    }
    tracing::error!(line = line.name, %at, "the tick was not enqueued; the next start catches up");
}

/// Enqueues the line's last tick if it was missed.
pub(crate) async fn catch_up(pool: &PgPool, line: &Line, now: DateTime<Utc>) {
    let caught = async {
        let first_seen = schedules::first_seen(pool, line.name, now).await?;
        match line.last(now) {
            // The last tick is always younger than the line's period, since the next one is still to come.
            Some(at) if at > first_seen => write(pool, line, at).await.map(|created| created.then_some(at)),
            _ => Ok(None),
        }
    };
    match caught.await {
        Ok(Some(at)) => tracing::info!(line = line.name, %at, "a missed tick was caught up"),
        Ok(None) => {}
        Err(error) => tracing::warn!(line = line.name, %error, "could not look for missed ticks"),
    }
}

/// Enqueues a tick; returns `false` where it was already enqueued.
async fn write(pool: &PgPool, line: &Line, at: DateTime<Utc>) -> Result<bool, StorageError> {
    let by = format!("schedule:{}", line.name);
    let key = format!("{by}:{}", at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let mut conn = pool.acquire().await?;
    let (_, created) = enqueue(&mut conn, NewJob { idempotency_key: Some(key), ..NewJob::of(line.kind, by) }).await?;
    Ok(created)
}
