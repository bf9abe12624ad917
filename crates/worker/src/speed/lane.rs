//! One lane of the speed layer: read, apply, commit.

use std::convert::Infallible;
use std::time::Duration;

use storage::StorageError;
use storage::event_log::{Delivery, EventSource, Fetch, Position};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::settle::settle;
use super::{Speed, backoff, wait};

/// Longest wait of a read for a first fact; also bounds how late a stopping worker notices the signal.
const READ_WAIT: Duration = Duration::from_millis(500);

/// Attempts to commit a delivery. After that it is delivered again, which costs time but counts nothing twice.
const COMMIT_TRIES: u32 = 3;

/// Heartbeats within the time after which a reader counts as dead, so that two may be lost.
const HEARTBEATS_PER_TIMEOUT: u32 = 3;

/// Runs until `stop`, then finishes the delivery in hand.
pub(super) async fn run(speed: Speed, mut source: Box<dyn EventSource>, stop: CancellationToken) {
    let fetch = Fetch { max: speed.settings.batch_size, wait: READ_WAIT, linger: speed.settings.linger };
    let mut failures = 0;
    while !stop.is_cancelled() {
        let done = match source.next(fetch).await {
            Ok(delivery) => work_on(&speed, source.as_mut(), delivery, &stop).await,
            Err(error) => {
                tracing::warn!(%error, "the event log cannot be read; retrying");
                false
            }
        };
        failures = if done { 0 } else { failures + 1 };
        if !done {
            wait(backoff(failures - 1), &stop).await;
        }
    }
    if let Err(error) = source.close().await {
        tracing::debug!(%error, "the reader did not leave its group; the group deletes it in an hour");
    }
}

/// Applies and commits a delivery; returns whether both succeeded. An uncommitted delivery comes again.
async fn work_on(
    speed: &Speed,
    source: &mut dyn EventSource,
    Delivery { entries, position }: Delivery,
    stop: &CancellationToken,
) -> bool {
    if entries.is_empty() {
        return true;
    }
    let settled = tokio::select! {
        settled = settle(speed, entries, stop) => settled,
        never = keep_alive(source, speed.settings.claim_after / HEARTBEATS_PER_TIMEOUT) => match never {},
    };
    settled && commit(source, &position).await
}

/// Sends heartbeats, since processing a delivery may take long while PostgreSQL is unavailable, and another reader must
/// not take it over.
async fn keep_alive(source: &mut dyn EventSource, interval: Duration) -> Infallible {
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate, and the read just now was a heartbeat.
    tick.tick().await;
    loop {
        tick.tick().await;
        if let Err(error) = source.keep_alive().await {
            tracing::debug!(%error, "a heartbeat to the event log failed");
        }
    }
}

async fn commit(source: &mut dyn EventSource, position: &Position) -> bool {
    for failures in 0..COMMIT_TRIES {
        let committed: Result<(), StorageError> = source.commit(position).await;
        match committed {
            Ok(()) => return true,
            Err(error) => tracing::warn!(%error, "a delivery was not committed"),
        }
        tokio::time::sleep(backoff(failures)).await;
    }
    false
}
