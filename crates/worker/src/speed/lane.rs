//! One lane: read, apply, acknowledge.

use std::time::{Duration, Instant};

use chrono::Utc;
use storage::StorageError;
use storage::event_log::{Entry, EntryId};
use storage::postgres::facts::dead_letters;
use storage::postgres::speed::{self, Applied, Batch};
use tokio_util::sync::CancellationToken;

use super::batch::{Decoded, decode};
use super::{Speed, backoff, wait};

/// How long a read waits for a first fact: also how long a stopping worker may take to notice.
const READ_WAIT: Duration = Duration::from_millis(500);

/// Tries to acknowledge before the batch is left to be delivered again, which costs work but no truth.
const ACK_TRIES: u32 = 3;

/// What became of a batch.
enum Outcome {
    Applied,
    /// Not while the worker is being stopped; the log delivers it again.
    Stopped,
    /// It will fail again.
    Refused(StorageError),
}

/// Runs until `stop`, then finishes the batch in hand.
pub(super) async fn run(speed: Speed, consumer: String, stop: CancellationToken) {
    let claim_every = speed.settings.claim_after.min(Duration::from_secs(5));
    let mut claimed: Option<Instant> = None;
    let mut failures = 0;
    while !stop.is_cancelled() {
        let due = claimed.is_none_or(|at| at.elapsed() >= claim_every);
        if due {
            claimed = Some(Instant::now());
        }
        match next(&speed, &consumer, due).await {
            Ok(entries) => {
                failures = 0;
                settle(&speed, entries, &stop).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the event log cannot be read; trying again");
                wait(backoff(failures), &stop).await;
                failures += 1;
            }
        }
    }
    if let Err(error) = speed.log.leave(&consumer).await {
        tracing::debug!(%error, consumer, "the consumer was not taken off the log; it is forgotten in an hour");
    }
}

/// The next entries: those of dead consumers where it is time to look for them, else new ones.
async fn next(speed: &Speed, consumer: &str, claim: bool) -> Result<Vec<Entry>, StorageError> {
    let (log, size) = (&speed.log, speed.settings.batch_size);
    if claim {
        let stale = log.claim_stale(consumer, speed.settings.claim_after, size).await?;
        if !stale.is_empty() {
            tracing::info!(entries = stale.len(), "taking over what another consumer did not finish");
            metrics::counter!("speed_claimed_total").increment(stale.len() as u64);
            return Ok(stale);
        }
    }
    let mut entries = log.read(consumer, size, READ_WAIT).await?;
    if !entries.is_empty() && entries.len() < size && !speed.settings.linger.is_zero() {
        tokio::time::sleep(speed.settings.linger).await;
        // What was read already is ours to apply, whatever becomes of the rest.
        let more = log.read(consumer, size - entries.len(), Duration::ZERO).await;
        entries.extend(more.unwrap_or_default());
    }
    Ok(entries)
}

/// Applies entries and acknowledges them. A batch that is refused is halved until those that spoil it are alone. Whatever
/// cannot be applied stays in hand, to be claimed and tried again.
async fn settle(speed: &Speed, entries: Vec<Entry>, stop: &CancellationToken) {
    let mut parts = vec![entries];
    while let Some(part) = parts.pop() {
        // Scoring reviews may take a while; it must not keep the runtime from beating jobs' hearts.
        let Ok(decoded) = tokio::task::spawn_blocking(move || decode(part)).await else {
            return tracing::error!("reading a batch panicked; it will be delivered again");
        };
        let Decoded { batch, mut entries, strangers } = decoded;
        for (entry, reason) in strangers {
            refuse(speed, entry, &reason).await;
        }
        match apply(speed, &batch, stop).await {
            Outcome::Applied => {
                if let Some(oldest) = entries.iter().map(|entry| entry.appended_at).min() {
                    let delay = (Utc::now() - oldest).to_std().unwrap_or_default();
                    metrics::histogram!("speed_delay_seconds").record(delay.as_secs_f64());
                }
                acknowledge(speed, entries.into_iter().map(|entry| entry.id).collect()).await;
            }
            Outcome::Stopped => return,
            Outcome::Refused(error) if entries.len() == 1 => {
                refuse(speed, entries.remove(0), &error.to_string()).await;
            }
            Outcome::Refused(error) => {
                tracing::warn!(%error, entries = entries.len(), "a batch was refused; trying its halves");
                parts.push(entries.split_off(entries.len() / 2));
                parts.push(entries);
            }
        }
    }
}

/// Applies a batch, waiting as long as PostgreSQL is away: the log keeps what comes meanwhile.
async fn apply(speed: &Speed, batch: &Batch, stop: &CancellationToken) -> Outcome {
    if batch.is_empty() {
        return Outcome::Applied;
    }
    for failures in 0.. {
        let started = Instant::now();
        match speed::apply(&speed.pool, batch).await {
            Ok(applied) => {
                measure(&applied, started.elapsed());
                return Outcome::Applied;
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, facts = batch.len(), "a batch was not applied; trying again");
                if !wait(backoff(failures), stop).await {
                    return Outcome::Stopped;
                }
            }
            Err(error) => return Outcome::Refused(error),
        }
    }
    Outcome::Stopped
}

fn measure(applied: &Applied, took: Duration) {
    metrics::histogram!("speed_batch_duration_seconds").record(took.as_secs_f64());
    metrics::counter!("speed_applied_total", "kind" => "event").increment(applied.events);
    metrics::counter!("speed_applied_total", "kind" => "review").increment(applied.reviews);
    metrics::counter!("speed_duplicates_total").increment(applied.duplicates);
    metrics::counter!("speed_quarantined_total").increment(applied.quarantined);
    metrics::counter!("speed_reopened_hours_total").increment(applied.reopened);
}

/// An entry that fails by itself: given up after its last try, and kept aside before it leaves the log.
async fn refuse(speed: &Speed, entry: Entry, reason: &str) {
    if entry.deliveries < speed.settings.tries {
        return tracing::warn!(entry = %entry.id, tries = entry.deliveries, reason, "an entry cannot be applied");
    }
    match dead_letters::add(&speed.pool, speed.log.name(), &entry, reason).await {
        Ok(()) => {
            tracing::error!(entry = %entry.id, tries = entry.deliveries, reason, "an entry became a dead letter");
            metrics::counter!("speed_dead_letters_total").increment(1);
            acknowledge(speed, vec![entry.id]).await;
        }
        Err(error) => tracing::warn!(entry = %entry.id, %error, "a dead letter was not written; it will come again"),
    }
}

async fn acknowledge(speed: &Speed, ids: Vec<EntryId>) {
    for failures in 0..ACK_TRIES {
        match speed.log.ack(&ids).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "a batch was not acknowledged"),
        }
        tokio::time::sleep(backoff(failures)).await;
    }
}
