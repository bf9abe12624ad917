//! The speed layer: takes facts from the event log in small batches and folds them into the stored facts and the hourly
//! views, a second after they happened.
//!
//! Exactly once in effect: a batch is one transaction ([`storage::postgres::speed::apply`]), acknowledged after its
//! commit. Whoever dies in between leaves the batch to be claimed by another, for whom its facts are duplicates.

mod batch;
mod lane;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use settings::SpeedSettings;
use sqlx::PgPool;
use storage::StorageError;
use storage::event_log::{EventLog, RedisLog};
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

/// Starts the lanes and the upkeep; they run until `stop`, finish the batch in hand, and then the tracker is done.
///
/// # Errors
/// A malformed Redis URL.
pub(crate) fn start(shared: &Shared, stop: &CancellationToken) -> Result<TaskTracker, StorageError> {
    let tasks = TaskTracker::new();
    let (settings, redis) = (&shared.settings, &shared.settings.redis);
    let speed = || -> Result<Speed, StorageError> {
        // A connection of its own for each lane: a read that waits would have the others wait with it.
        let log = RedisLog::open(&redis.url, &redis.prefix, settings.event_log.capacity)?;
        Ok(Speed { pool: shared.pool.clone(), log: Arc::new(log), settings: settings.speed })
    };
    for lane in 0..settings.speed.lanes {
        tasks.spawn(lane::run(speed()?, format!("{}-{lane}", shared.name), stop.clone()));
    }
    tasks.spawn(upkeep::run(speed()?, stop.clone()));
    tasks.spawn(upkeep::warn_if_forgetful(
        RedisLog::open(&redis.url, &redis.prefix, settings.event_log.capacity)?,
        stop.clone(),
    ));
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
