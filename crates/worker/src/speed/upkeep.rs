//! Periodic tasks beside the lanes: measures the backlog, and drops rows that the batch layer covers.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use sqlx::PgPool;
use storage::event_log::{Durability, EventLog};
use storage::postgres::speed;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Interval at which the backlog is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// Interval at which covered rows are dropped. They are correct but superfluous; an hour's rows take a few megabytes.
const DROP_INTERVAL: Duration = Duration::from_secs(300);

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
pub(super) async fn run(pool: PgPool, log: Arc<dyn EventLog>, stop: CancellationToken) {
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
        if dropped.is_none_or(|at| at.elapsed() >= DROP_INTERVAL) {
            dropped = Some(Instant::now());
            // A week's rows may be waiting; the remaining ones are dropped at the next interval.
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = speed::drop_covered(&pool, Utc::now()) => outcome,
            };
            match outcome {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "dropped speed rows that the batch layer covers"),
                Err(error) => tracing::warn!(%error, "covered speed rows were not dropped; retrying later"),
            }
        }
    }
}
