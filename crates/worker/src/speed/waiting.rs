//! Applies the facts of the waiting room whose movies have arrived, whichever job brought the movie.
//!
//! The room is read again and again instead of on the movie's arrival. So a fact that was stored while the movie's
//! transaction was still open is found as well, and no writer of movies has to know of the room.

use std::time::{Duration, Instant};

use chrono::Utc;
use storage::StorageError;
use storage::event_log::LogEntry;
use storage::postgres::facts::waiting::{self, ArrivedFact, FactKey};
use tokio_util::sync::CancellationToken;

use super::settle::settle;
use super::{Speed, wait};

/// Interval of looking for movies that have arrived.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The pause is at least this many times as long as the look took, so that a full room costs the database at most 5 %
/// of one core.
const PAUSE_PER_LOOK: u32 = 20;

/// Facts applied at a time: at most some 40 MB, if all are the longest reviews.
const CHUNK: i64 = 1_000;

/// Runs until `stop`.
pub(super) async fn run(speed: Speed, stop: CancellationToken) {
    let mut failing = false;
    loop {
        let started = Instant::now();
        let looked = measure(&speed).await;
        let pause = LOOK_INTERVAL.max(started.elapsed() * PAUSE_PER_LOOK);
        let admitted = match looked {
            Ok(0) => Ok(()),
            Ok(_) => admit(&speed, &stop).await,
            Err(error) => Err(error),
        };
        match admitted {
            Ok(()) => failing = false,
            // Logged once per outage.
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "the waiting room cannot be read; its facts go on waiting");
            }
            Err(_) => {}
        }
        if !wait(pause, &stop).await {
            return;
        }
    }
}

/// Measures the room; returns the number of facts.
async fn measure(speed: &Speed) -> Result<i64, StorageError> {
    // Which movies are full matters to the API only.
    let room = waiting::room(&speed.pool, i64::MAX).await?;
    metrics::gauge!("speed_waiting_facts").set(room.facts as f64);
    metrics::gauge!("speed_waiting_movies").set(room.movies as f64);
    metrics::gauge!("speed_waiting_units").set(room.units as f64);
    Ok(room.facts)
}

/// Applies what can be applied. A fact leaves the room after its transaction; if the worker dies in between, it is
/// applied again and drops out as a duplicate by its id.
async fn admit(speed: &Speed, stop: &CancellationToken) -> Result<(), StorageError> {
    while !stop.is_cancelled() {
        let arrived = waiting::arrived(&speed.pool, CHUNK).await?;
        if arrived.is_empty() {
            return Ok(());
        }
        let (keys, entries): (Vec<FactKey>, Vec<LogEntry>) = arrived.into_iter().map(entry).unzip();
        let facts = keys.len();
        if !settle(speed, entries, stop).await {
            return Ok(());
        }
        waiting::delete(&speed.pool, &keys).await?;
        metrics::counter!("speed_admitted_total").increment(facts as u64);
        tracing::info!(facts, "applied facts that waited for their movies");
    }
    Ok(())
}

/// The fact as an entry of the log. Its delay counts from the movie's arrival.
fn entry(ArrivedFact { key, payload }: ArrivedFact) -> (FactKey, LogEntry) {
    let id = format!("waiting-{}-{}", key.0, key.1);
    (key, LogEntry { id, payload, appended_at: Utc::now() })
}
