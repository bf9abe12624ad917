//! Beside the lanes: how far behind they are, and rows that the batch layer answers for by now.

use std::time::Duration;

use chrono::Utc;
use storage::event_log::RedisLog;
use storage::postgres::speed;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::Speed;

/// How often the lag is measured.
const MEASURE: Duration = Duration::from_secs(5);

/// How often covered rows are dropped. They are right, only superfluous; an hour more or less costs some megabytes.
const DROP: Duration = Duration::from_secs(300);

/// Says once, at the start, if the log's server may lose what was acknowledged; `moviemetric doctor` says it again.
pub(super) async fn warn_if_forgetful(log: RedisLog, stop: CancellationToken) {
    let durability = tokio::select! {
        () = stop.cancelled() => return,
        durability = log.durability() => durability,
    };
    match durability.map(|durability| durability.weakness()) {
        Ok(None) => {}
        Ok(Some(weakness)) => tracing::warn!("the event log is weaker than it should be: {weakness}"),
        Err(error) => tracing::debug!(%error, "the event log's durability was not read"),
    }
}

/// Runs until `stop`.
pub(super) async fn run(speed: Speed, stop: CancellationToken) {
    let mut tick = tokio::time::interval(MEASURE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut dropped: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        match speed.log.backlog().await {
            Ok(backlog) => {
                metrics::gauge!("speed_lag_seconds").set(backlog.lag.unwrap_or_default().as_secs_f64());
                metrics::gauge!("speed_backlog").set(backlog.waiting as f64);
                metrics::gauge!("speed_in_hand").set(backlog.in_hand as f64);
            }
            Err(error) => tracing::debug!(%error, "the speed layer's lag was not measured"),
        }
        if dropped.is_none_or(|at| at.elapsed() >= DROP) {
            dropped = Some(Instant::now());
            // Rows of a week may be waiting; what is not dropped now is dropped next time.
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = speed::drop_covered(&speed.pool, Utc::now()) => outcome,
            };
            match outcome {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "dropped speed rows that the batch layer covers"),
                Err(error) => tracing::warn!(%error, "covered speed rows were not dropped; trying again later"),
            }
        }
    }
}
