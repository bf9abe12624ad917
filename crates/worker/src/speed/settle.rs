//! Processes a delivery: applies it as one micro-batch. A micro-batch that PostgreSQL rejects is bisected until the
//! poisonous entries are alone; those are retried a few times and then stored as dead letters.
//!
//! Attempts are counted here, since a log with offsets does not count them. The count restarts when the process dies.

use std::time::{Duration, Instant};

use chrono::Utc;
use storage::StorageError;
use storage::event_log::LogEntry;
use storage::postgres::facts::dead_letters;
use storage::postgres::speed::{self, Applied, MicroBatch};
use tokio_util::sync::CancellationToken;

use super::decode::{Decoded, decode};
use super::{Speed, backoff, wait};

/// Wait between two attempts at entries that PostgreSQL rejects. It does not grow, since their lane stands still
/// meanwhile: three attempts delay the entries behind by half a second.
const POISON_PAUSE: Duration = Duration::from_millis(200);

/// Attempts at a poisonous entry end after this time, however many `SPEED_TRIES` allows.
const POISON_TIME_MAX: Duration = Duration::from_secs(3);

/// The outcome of applying a micro-batch.
enum Outcome {
    Applied,
    /// The worker is stopping; the log delivers the micro-batch again.
    Stopped,
    /// PostgreSQL rejects it permanently.
    Refused(StorageError),
}

/// A poisonous entry, which cannot be applied even alone, and the error.
struct Poison {
    entry: LogEntry,
    reason: String,
}

/// Returns whether every entry is applied or a dead letter, so that the delivery may be committed.
pub(super) async fn settle(speed: &Speed, entries: Vec<LogEntry>, stop: &CancellationToken) -> bool {
    let Some(mut poison) = apply_all(speed, vec![entries], stop).await else { return false };
    let found = Instant::now();
    for tries in 1..=speed.settings.tries {
        for Poison { entry, reason } in &poison {
            tracing::warn!(entry = %entry.id, tries, reason, "an entry cannot be applied");
        }
        if poison.is_empty() || tries == speed.settings.tries || found.elapsed() > POISON_TIME_MAX {
            break;
        }
        if !wait(POISON_PAUSE, stop).await {
            return false;
        }
        let alone = poison.into_iter().map(|poison| vec![poison.entry]).collect();
        let Some(left) = apply_all(speed, alone, stop).await else { return false };
        poison = left;
    }
    store_dead_letters(speed, poison).await
}

/// Applies parts of a delivery; returns the poisonous entries. `None`: not finished; the delivery must come again.
async fn apply_all(speed: &Speed, mut parts: Vec<Vec<LogEntry>>, stop: &CancellationToken) -> Option<Vec<Poison>> {
    let mut poison = Vec::new();
    while let Some(part) = parts.pop() {
        let Ok(decoded) = tokio::task::spawn_blocking(move || decode(part)).await else {
            tracing::error!("decoding a micro-batch panicked; it will be delivered again");
            return None;
        };
        let Decoded { batch, mut entries, unreadable } = decoded;
        poison.extend(unreadable.into_iter().map(|(entry, reason)| Poison { entry, reason }));
        match apply(speed, &batch, stop).await {
            Outcome::Applied => measure_delay(&entries),
            Outcome::Stopped => return None,
            Outcome::Refused(error) if entries.len() == 1 => {
                poison.push(Poison { entry: entries.remove(0), reason: error.to_string() });
            }
            Outcome::Refused(error) => {
                tracing::warn!(%error, entries = entries.len(), "a micro-batch was rejected; bisecting it");
                parts.push(entries.split_off(entries.len() / 2));
                parts.push(entries);
            }
        }
    }
    Some(poison)
}

/// Applies a micro-batch; retries while PostgreSQL is unavailable, and the log keeps new facts meanwhile.
async fn apply(speed: &Speed, batch: &MicroBatch, stop: &CancellationToken) -> Outcome {
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
            Err(error) if error.is_transient() || schema_differs(&error) => {
                tracing::warn!(%error, facts = batch.len(), "a micro-batch was not applied; retrying");
                if !wait(backoff(failures), stop).await {
                    return Outcome::Stopped;
                }
            }
            Err(error) => return Outcome::Refused(error),
        }
    }
    Outcome::Stopped
}

/// Whether code and schema differ (SQLSTATE class 42), as between a migration and the restart after it. The entries are
/// not to blame: if they counted as poisonous, every entry would become a dead letter meanwhile.
fn schema_differs(error: &StorageError) -> bool {
    let StorageError::Database(sqlx::Error::Database(error)) = error else { return false };
    error.code().is_some_and(|code| code.starts_with("42"))
}

fn measure(applied: &Applied, took: Duration) {
    metrics::histogram!("speed_batch_duration_seconds").record(took.as_secs_f64());
    metrics::counter!("speed_applied_total", "kind" => "event").increment(applied.events);
    metrics::counter!("speed_applied_total", "kind" => "review").increment(applied.reviews);
    metrics::counter!("speed_duplicates_total").increment(applied.duplicates);
    metrics::counter!("speed_waiting_total").increment(applied.waiting);
    metrics::counter!("speed_reopened_hours_total").increment(applied.reopened);
}

/// Records the delay from the oldest entry's append to now.
fn measure_delay(entries: &[LogEntry]) {
    if let Some(oldest) = entries.iter().map(|entry| entry.appended_at).min() {
        let delay = (Utc::now() - oldest).to_std().unwrap_or_default();
        metrics::histogram!("speed_delay_seconds").record(delay.as_secs_f64());
    }
}

/// Stores poisonous entries as dead letters, before they leave the log. Returns whether all are stored.
async fn store_dead_letters(speed: &Speed, poison: Vec<Poison>) -> bool {
    for Poison { entry, reason } in poison {
        let tries = speed.settings.tries;
        if let Err(error) = dead_letters::add(&speed.pool, speed.log.name(), &entry, tries, &reason).await {
            tracing::warn!(entry = %entry.id, %error, "a dead letter was not stored; its entry will be delivered again");
            return false;
        }
        tracing::error!(entry = %entry.id, tries, reason, "an entry became a dead letter");
        metrics::counter!("speed_dead_letters_total").increment(1);
    }
    true
}
