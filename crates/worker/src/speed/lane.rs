//! One lane: read, apply, commit.

use std::convert::Infallible;
use std::time::Duration;

use storage::StorageError;
use storage::event_log::{Delivery, EventSource, Fetch, Position};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::settle::settle;
use super::{Speed, backoff, wait};

/// How long a read waits for a first fact: also how long a stopping worker may take to notice.
const READ_WAIT: Duration = Duration::from_millis(500);

/// Tries to commit before the delivery is left to come again, which costs work but no truth.
const COMMIT_TRIES: u32 = 3;

/// Signs of life within the time after which a reader is taken for dead: two may be lost.
const SIGNS_OF_LIFE: u32 = 3;

/// Runs until `stop`, then finishes the delivery in hand.
pub(super) async fn run(speed: Speed, mut source: Box<dyn EventSource>, stop: CancellationToken) {
    let fetch = Fetch { max: speed.settings.batch_size, wait: READ_WAIT, linger: speed.settings.linger };
    let mut failures = 0;
    while !stop.is_cancelled() {
        let done = match source.next(fetch).await {
            Ok(delivery) => work_on(&speed, source.as_mut(), delivery, &stop).await,
            Err(error) => {
                tracing::warn!(%error, "the event log cannot be read; trying again");
                false
            }
        };
        failures = if done { 0 } else { failures + 1 };
        if !done {
            wait(backoff(failures - 1), &stop).await;
        }
    }
    if let Err(error) = source.close().await {
        tracing::debug!(%error, "the reader did not leave the log; it is forgotten in an hour");
    }
}

/// Applies a delivery and commits it; answers whether both are done. What is not committed comes again.
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
        never = keep_alive(source, speed.settings.claim_after / SIGNS_OF_LIFE) => match never {},
    };
    settled && commit(source, &position).await
}

/// While PostgreSQL is away a delivery may take any time; nobody is to take it over meanwhile.
async fn keep_alive(source: &mut dyn EventSource, interval: Duration) -> Infallible {
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and the reader was heard of just now.
    tick.tick().await;
    loop {
        tick.tick().await;
        if let Err(error) = source.keep_alive().await {
            tracing::debug!(%error, "the event log was not told that the lane lives");
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
