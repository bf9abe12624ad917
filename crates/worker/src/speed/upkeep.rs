//! Periodic tasks beside the lanes: measures the backlogs, drops rows that the batch layer covers, and deletes waiting
//! facts and quarantined records after their time.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use sqlx::PgPool;
use storage::StorageError;
use storage::event_log::{Durability, EventLog};
use storage::postgres::catalogue::quarantine;
use storage::postgres::facts::{scoring, waiting};
use storage::postgres::{served_lists, speed};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Interval at which the backlog is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// Interval at which covered rows are dropped. They are correct but superfluous; an hour's rows take a few megabytes.
const DROP_INTERVAL: Duration = Duration::from_secs(300);

/// Time for which served lists are kept; feedback reads no older ones.
const SERVED_LISTS_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Rows deleted in one statement after their time: locks are held for milliseconds.
const EXPIRED_ROWS_MAX: i64 = 5_000;

/// How long rows are kept that nobody asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    /// Facts whose movies do not arrive.
    pub waiting: Duration,
    /// Quarantined records that no source delivers again.
    pub quarantine: Duration,
}

/// Warns once at start-up if the log may lose accepted facts; `moviemetric doctor` reports it too.
pub(super) async fn warn_if_not_durable(log: Arc<dyn EventLog>, stop: CancellationToken) {
    let durability = tokio::select! {
        () = stop.cancelled() => return,
        durability = log.durability() => durability,
    };
    match durability {
        Ok(Durability::Durable) => {}
        Ok(Durability::LosesSeconds(advice) | Durability::LosesAll(advice)) => {
            tracing::warn!("the event log may lose accepted facts: {advice}");
        }
        Err(error) => tracing::debug!(%error, "the event log's durability was not read"),
    }
}

/// Runs until `stop`.
pub(super) async fn run(pool: PgPool, log: Arc<dyn EventLog>, retention: Retention, stop: CancellationToken) {
    let mut tick = tokio::time::interval(MEASURE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut dropped: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        match log.backlog().await {
            Ok(backlog) => {
                metrics::gauge!("speed_lag_seconds").set(backlog.lag.unwrap_or_default().as_secs_f64());
                metrics::gauge!("speed_backlog").set(backlog.waiting as f64);
            }
            Err(error) => tracing::debug!(%error, "the event log's backlog was not measured"),
        }
        match scoring::waiting(&pool).await {
            Ok(reviews) => metrics::gauge!("reviews_unscored").set(reviews as f64),
            Err(error) => tracing::debug!(%error, "the reviews that wait for a score were not counted"),
        }
        if dropped.is_none_or(|at| at.elapsed() >= DROP_INTERVAL) {
            dropped = Some(Instant::now());
            tokio::select! {
                () = stop.cancelled() => return,
                () = delete(&pool, retention) => {}
            }
        }
    }
}

/// Deletes what is no longer needed. A week's rows may be there; what a failure leaves is deleted at the next interval.
async fn delete(pool: &PgPool, retention: Retention) {
    match speed::drop_covered(pool, Utc::now()).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "dropped speed rows that the batch layer covers"),
        Err(error) => tracing::warn!(%error, "covered speed rows were not dropped; retrying later"),
    }
    if let Err(error) = expire_waiting(pool, retention.waiting).await {
        tracing::warn!(%error, "expired waiting facts were not deleted; retrying later");
    }
    match expire_quarantine(pool, retention.quarantine).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "deleted quarantined records after QUARANTINE_DAYS"),
        Err(error) => tracing::warn!(%error, "old quarantined records were not deleted; retrying later"),
    }
    if let Err(error) = expire_served_lists(pool).await {
        tracing::warn!(%error, "old served lists were not deleted; retrying later");
    }
}

/// Deletes facts whose movies did not arrive. Each chunk is counted by itself: what is deleted is counted, also where a
/// later chunk fails.
async fn expire_waiting(pool: &PgPool, kept: Duration) -> Result<(), StorageError> {
    loop {
        let facts = waiting::expire(pool, Utc::now() - kept, EXPIRED_ROWS_MAX).await?;
        metrics::counter!("speed_waiting_expired_total").increment(facts);
        if facts > 0 {
            tracing::warn!(facts, "facts expired: their movies did not arrive within WAITING_DAYS");
        }
        if facts < EXPIRED_ROWS_MAX as u64 {
            return Ok(());
        }
    }
}

/// Deletes lists that feedback no longer reads.
async fn expire_served_lists(pool: &PgPool) -> Result<(), StorageError> {
    let before = Utc::now() - SERVED_LISTS_KEPT;
    while served_lists::expire(pool, before, EXPIRED_ROWS_MAX).await? == EXPIRED_ROWS_MAX as u64 {}
    Ok(())
}

/// Deletes quarantined records that no source delivers any more; returns their number.
async fn expire_quarantine(pool: &PgPool, kept: Duration) -> Result<u64, StorageError> {
    let mut deleted = 0;
    loop {
        let rows = quarantine::expire(pool, Utc::now() - kept, EXPIRED_ROWS_MAX).await?;
        deleted += rows;
        if rows < EXPIRED_ROWS_MAX as u64 {
            return Ok(deleted);
        }
    }
}
