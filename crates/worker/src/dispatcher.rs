//! The dispatcher sends ids from the ledger to Redis, and nothing else does: enqueueing only writes a row, so the
//! dispatcher finds it whoever wrote it and whatever was unavailable at the time.

use std::time::Duration;

use domain::jobs::Queue;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use storage::StorageError;
use storage::postgres::jobs::{self, sweep};
use storage::queue::JobQueue;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Longest time between two reads of the ledger: due retries and expired leases cause no notification, and
/// notifications get lost.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Interval at which apalis' records of finished tasks are deleted and the ledger is counted for the metrics.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(30);

/// Runs until `stop`. Failures are logged and retried at the next tick; no job is lost.
pub(crate) async fn run(pool: PgPool, queue: JobQueue, stop: CancellationToken) {
    let mut tick = tokio::time::interval(POLL_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listener: Option<PgListener> = None;
    let mut last_housekeeping = Instant::now();
    loop {
        if listener.is_none() {
            listener = sweep::listen(&pool)
                .await
                .inspect_err(|error| tracing::warn!(%error, "cannot listen for new jobs; polling the ledger"))
                .ok();
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
            heard = notified(&mut listener) => if heard.is_err() { listener = None },
        }
        if let Err(error) = sweep_once(&pool, &queue).await {
            tracing::warn!(%error, "waiting jobs were not sent; the next tick tries again");
        }
        if last_housekeeping.elapsed() >= HOUSEKEEPING_INTERVAL {
            last_housekeeping = Instant::now();
            if let Err(error) = housekeeping(&pool, &queue).await {
                tracing::warn!(%error, "housekeeping of the queues failed");
            }
        }
    }
}

/// Waits for a notification; waits for ever where there is no listener, since the next poll ends the wait.
async fn notified(listener: &mut Option<PgListener>) -> Result<(), sqlx::Error> {
    match listener {
        Some(listener) => listener.recv().await.map(drop),
        None => std::future::pending().await,
    }
}

async fn sweep_once(pool: &PgPool, queue: &JobQueue) -> Result<(), StorageError> {
    let (again, parked) = sweep::expire_leases(pool).await?;
    if again + parked > 0 {
        metrics::counter!("job_crashes_total").increment(again + parked);
        tracing::warn!(again, parked, "jobs were taken from workers that died");
    }
    for lane in Queue::ALL {
        let ids = sweep::dispatch(pool, lane, queue.waiting(lane).await?).await?;
        if let Err(error) = queue.push(lane, &ids).await {
            sweep::undispatch(pool, &ids).await?;
            return Err(error);
        }
    }
    Ok(())
}

async fn housekeeping(pool: &PgPool, queue: &JobQueue) -> Result<(), StorageError> {
    for lane in Queue::ALL {
        queue.vacuum(lane).await?;
    }
    for (queue, status, count) in jobs::counts(pool).await? {
        metrics::gauge!("jobs", "queue" => queue, "status" => status).set(count as f64);
    }
    Ok(())
}
