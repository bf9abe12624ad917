//! The dispatcher sends ids from the ledger to Redis, and nothing else does: enqueueing only writes a row, so the
//! dispatcher finds it whoever wrote it and whatever was unavailable at the time.

use std::time::Duration;

use domain::jobs::{LEASE, Queue};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use storage::postgres::jobs::{self, sweep};
use storage::queue::JobQueue;
use storage::{StorageError, Store};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Longest time between two reads of the ledger: due retries and expired leases cause no notification, and
/// notifications get lost.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Interval at which apalis' records of finished tasks are deleted and the ledger is counted for the metrics.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(30);

/// Wait for another dispatcher's turn at a queue: it may have read the ledger before the row that woke this one.
const TURN_WAIT: Duration = Duration::from_millis(50);

/// Time limit of a turn's commands to Redis, since the turn is a transaction.
const REDIS_TIMEOUT: Duration = Duration::from_secs(5);

/// Gap between two sweeps above which the database, or this process, counts as having been away.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// Since when this dispatcher has seen the ledger without a gap. Only then do leases without heartbeats mean dead
/// workers: during an outage nobody's heartbeats are written.
#[derive(Debug, Default)]
struct Watch {
    since: Option<Instant>,
    last: Option<Instant>,
}

impl Watch {
    /// Records that the ledger answers now; returns whether it did for a whole [`LEASE`].
    fn seen(&mut self) -> bool {
        let now = Instant::now();
        if self.last.replace(now).is_none_or(|last| now - last > LONGEST_GAP) {
            self.since = None;
        }
        now - *self.since.get_or_insert(now) >= LEASE
    }

    /// Records that the ledger does not answer.
    fn lost(&mut self) {
        self.since = None;
    }
}

/// Runs until `stop`. Failures are logged and retried at the next tick; no job is lost.
pub(crate) async fn run(pool: PgPool, queue: JobQueue, stop: CancellationToken) {
    let mut tick = tokio::time::interval(POLL_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listener: Option<PgListener> = None;
    let mut last_housekeeping = Instant::now();
    let (mut watch, mut look_again) = (Watch::default(), false);
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
            () = tokio::time::sleep(TURN_WAIT), if look_again => {}
            heard = notified(&mut listener) => if heard.is_err() { listener = None },
        }
        look_again = match sweep_once(&pool, &queue, &mut watch).await {
            Ok(all_sent) => !all_sent,
            Err(error) => {
                tracing::warn!(%error, "waiting jobs were not sent; the next tick tries again");
                false
            }
        };
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

/// Returns `false` where another dispatcher had its turn at a queue.
async fn sweep_once(pool: &PgPool, queue: &JobQueue, watch: &mut Watch) -> Result<bool, StorageError> {
    recover(pool, watch).await.inspect_err(|_| watch.lost())?;
    let mut all_sent = true;
    for lane in Queue::ALL {
        all_sent &= dispatch(pool, queue, lane).await?;
    }
    Ok(all_sent)
}

/// Takes jobs from dead workers, and ends what is left of attempts at the server.
async fn recover(pool: &PgPool, watch: &mut Watch) -> Result<(), StorageError> {
    let abandoned = sweep::end_abandoned(pool).await?;
    if abandoned > 0 {
        tracing::warn!(abandoned, "connections of attempts that are over were ended");
    }
    if watch.seen() {
        let (again, parked) = sweep::expire_leases(pool).await?;
        if again + parked > 0 {
            metrics::counter!("job_crashes_total").increment(again + parked);
            tracing::warn!(again, parked, "jobs were taken from workers that died");
            sweep::end_abandoned(pool).await?;
        }
    }
    Ok(())
}

/// Sends a queue's waiting jobs to Redis, up to what it may hold. Counting, marking and pushing are one turn, so that the
/// bound is exact; a push that fails takes the marks back. Returns `false` where it is another dispatcher's turn.
async fn dispatch(pool: &PgPool, queue: &JobQueue, lane: Queue) -> Result<bool, StorageError> {
    let Some(mut turn) = sweep::take_turn(pool, lane).await? else { return Ok(false) };
    let send = async {
        let ids = sweep::dispatch(&mut *turn, lane, queue.waiting(lane).await?).await?;
        queue.push(lane, &ids).await
    };
    let slow = |_| StorageError::TimedOut { store: Store::Redis, after: REDIS_TIMEOUT };
    tokio::time::timeout(REDIS_TIMEOUT, send).await.map_err(slow)??;
    turn.commit().await?;
    Ok(true)
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
