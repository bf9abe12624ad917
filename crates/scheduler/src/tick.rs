//! Enqueues the ticks of one line, on time or late.

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::jobs::{NewJob, enqueue, schedules};
use tokio::sync::Mutex;

use crate::table::Line;

/// A line, and the moment up to which its ticks are known to be settled: enqueued, or older than the line.
pub(crate) struct Ticks {
    pool: PgPool,
    line: Line,
    settled: Mutex<Option<DateTime<Utc>>>,
}

impl Ticks {
    pub(crate) fn new(pool: PgPool, line: Line) -> Self {
        Self { pool, line, settled: Mutex::default() }
    }

    /// Enqueues the last tick up to now unless it is settled. Of several missed ticks the last one is enqueued: running a
    /// nightly job once is enough. Without a new tick it does not ask the database.
    pub(crate) async fn settle(&self, now: DateTime<Utc>) {
        let Self { pool, line, settled } = self;
        // The lock makes the clock and the look-out for missed ticks wait for each other.
        let mut settled = settled.lock().await;
        let Some(tick) = line.last(now) else { return };
        if settled.is_some_and(|settled| tick <= settled) {
            return;
        }
        match settle(pool, line, tick, now).await {
            Ok((until, enqueued)) => {
                *settled = Some(until);
                if enqueued {
                    tracing::info!(line = line.name, %tick, late_seconds = (now - tick).num_seconds(), "tick");
                }
            }
            Err(error) => tracing::warn!(line = line.name, %tick, %error, "the tick was not enqueued; trying again"),
        }
    }
}

/// Returns the moment up to which the line is settled now, and whether this call enqueued the tick.
async fn settle(
    pool: &PgPool,
    line: &Line,
    tick: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, bool), StorageError> {
    let until = schedules::settled_until(pool, line.name, now).await?;
    if tick <= until {
        return Ok((until, false));
    }
    let by = format!("schedule:{}", line.name);
    let key = format!("{by}:{}", tick.to_rfc3339_opts(SecondsFormat::Secs, true));
    let mut tx = pool.begin().await?;
    if !schedules::settle(&mut tx, line.name, tick).await? {
        return Ok((tick, false));
    }
    let (_, enqueued) = enqueue(&mut tx, NewJob { idempotency_key: Some(key), ..NewJob::of(line.kind, by) }).await?;
    tx.commit().await?;
    Ok((tick, enqueued))
}
