//! The speed layer: reads facts from the event log in micro-batches, stores them and folds them into the hourly views,
//! about a second after they happened.
//!
//! Effectively exactly once: a delivery is applied in one transaction ([`storage::postgres::speed::apply`]) and
//! committed to the log afterwards. If the worker dies in between, another worker gets the delivery again and drops its
//! facts as duplicates.

mod decode;
mod lane;
mod settle;
mod upkeep;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use settings::SpeedSettings;
use sqlx::PgPool;
use storage::StorageError;
use storage::event_log::{EventLog, EventLogConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Shared, profiles, scoring};

/// The handles of a lane.
#[derive(Clone)]
struct Speed {
    pool: PgPool,
    log: Arc<dyn EventLog>,
    settings: SpeedSettings,
}

/// Starts the lanes and the upkeep. They run until `stop` and finish the delivery in hand; the returned tracker
/// completes when all have ended.
///
/// # Errors
/// [`StorageError::Configuration`] for a malformed URL of the event log.
pub(crate) fn start(shared: &Shared, stop: &CancellationToken) -> Result<TaskTracker, StorageError> {
    let tasks = TaskTracker::new();
    let settings = &shared.settings;
    let log = storage::event_log::open(&EventLogConfig {
        url: settings.event_log.url(&settings.redis).clone(),
        prefix: settings.redis.prefix.clone(),
        capacity: settings.event_log.capacity,
    })?;
    for lane in 0..settings.speed.lanes {
        let source = log.reader(&format!("{}-{lane}", shared.name), settings.speed.claim_after)?;
        let speed = Speed { pool: shared.pool.clone(), log: log.clone(), settings: settings.speed };
        tasks.spawn(lane::run(speed, source, stop.clone()));
    }
    tasks.spawn(scoring::run(shared.pool.clone(), stop.clone()));
    tasks.spawn(profiles::run(profiles::Profiles::new(shared), stop.clone()));
    let speed = Speed { pool: shared.pool.clone(), log: log.clone(), settings: settings.speed };
    tasks.spawn(waiting::run(speed, stop.clone()));
    let retention = upkeep::Retention { waiting: settings.waiting.kept, quarantine: settings.quarantine_kept };
    tasks.spawn(upkeep::run(shared.pool.clone(), log.clone(), retention, stop.clone()));
    tasks.spawn(upkeep::warn_if_not_durable(log, stop.clone()));
    tasks.close();
    tracing::info!(lanes = settings.speed.lanes, "folding live events into views");
    Ok(tasks)
}

/// Back-off from 0.2 s to 5 s, about the time in which a server restarts.
fn backoff(failures: u32) -> Duration {
    Duration::from_millis(200).saturating_mul(1 << failures.min(10)).min(Duration::from_secs(5))
}

/// Sleeps unless `stop` is cancelled; returns whether to continue.
async fn wait(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = stop.cancelled() => false,
    }
}
