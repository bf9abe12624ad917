//! The speed layer: takes facts from the event log in micro-batches and folds them into the stored facts and the hourly
//! views, a second after they happened.
//!
//! Exactly once in effect: a delivery is applied in one transaction ([`storage::postgres::speed::apply`]), and committed
//! to the log afterwards. A worker that dies in between leaves it to another, for whom its facts are duplicates.

mod decode;
mod lane;
mod settle;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use settings::SpeedSettings;
use sqlx::PgPool;
use storage::StorageError;
use storage::event_log::{EventLog, EventLogConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Shared;

/// What a lane works with.
#[derive(Clone)]
struct Speed {
    pool: PgPool,
    log: Arc<dyn EventLog>,
    settings: SpeedSettings,
}

/// Starts the lanes and the upkeep; they run until `stop`, finish the delivery in hand, and then the tracker is done.
///
/// # Errors
/// A malformed URL of the event log.
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
    tasks.spawn(upkeep::run(shared.pool.clone(), log.clone(), stop.clone()));
    tasks.spawn(upkeep::warn_if_not_durable(log, stop.clone()));
    tasks.close();
    tracing::info!(lanes = settings.speed.lanes, "folding live events into views");
    Ok(tasks)
}

/// Waits between tries grow from a fifth of a second to five seconds: a restarting server is back in about that.
fn backoff(failures: u32) -> Duration {
    Duration::from_millis(200).saturating_mul(1 << failures.min(10)).min(Duration::from_secs(5))
}

/// Waits, unless told to stop; answers whether to go on.
async fn wait(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = stop.cancelled() => false,
    }
}
