//! What becomes of a delivery: applied as one micro-batch; where that is refused, in halves until the entries that spoil
//! it are alone. Those are tried some times, and then kept as dead letters.
//!
//! The tries are counted here, since a log of offsets counts none. A process that dies in between begins to count anew.

use std::time::{Duration, Instant};

use chrono::Utc;
use storage::StorageError;
use storage::event_log::LogEntry;
use storage::postgres::facts::dead_letters;
use storage::postgres::speed::{self, Applied, MicroBatch};
use tokio_util::sync::CancellationToken;

use super::decode::{Decoded, decode};
use super::{Speed, backoff, wait};

/// What became of a micro-batch.
enum Outcome {
    Applied,
    /// Not while the worker is being stopped; the log delivers it again.
    Stopped,
    /// It will fail again.
    Refused(StorageError),
}

/// An entry that cannot be applied even alone, and why.
struct Poison {
    entry: LogEntry,
    reason: String,
}

/// Answers whether every entry is applied or a dead letter, so that the delivery may be committed.
pub(super) async fn settle(speed: &Speed, entries: Vec<LogEntry>, stop: &CancellationToken) -> bool {
    let Some(mut poison) = apply_all(speed, vec![entries], stop).await else { return false };
    for tries in 1..=speed.settings.tries {
        for Poison { entry, reason } in &poison {
            tracing::warn!(entry = %entry.id, tries, reason, "an entry cannot be applied");
        }
        if poison.is_empty() || tries == speed.settings.tries {
            break;
        }
        if !wait(backoff(u32::try_from(tries).unwrap_or(u32::MAX)), stop).await {
            return false;
        }
        let alone = poison.into_iter().map(|poison| vec![poison.entry]).collect();
        let Some(left) = apply_all(speed, alone, stop).await else { return false };
        poison = left;
    }
    bury(speed, poison).await
}

/// Applies parts; answers the entries that were refused each by itself. `None`: not finished, and to be delivered again.
async fn apply_all(speed: &Speed, mut parts: Vec<Vec<LogEntry>>, stop: &CancellationToken) -> Option<Vec<Poison>> {
    let mut poison = Vec::new();
    while let Some(part) = parts.pop() {
        // Scoring reviews may take a while; it must not keep the runtime from renewing jobs' leases.
        let Ok(decoded) = tokio::task::spawn_blocking(move || decode(part)).await else {
            tracing::error!("reading a micro-batch panicked; it will be delivered again");
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
                tracing::warn!(%error, entries = entries.len(), "a micro-batch was refused; trying its halves");
                parts.push(entries.split_off(entries.len() / 2));
                parts.push(entries);
            }
        }
    }
    Some(poison)
}

/// Applies a micro-batch, waiting as long as PostgreSQL is away: the log keeps what comes meanwhile.
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
                tracing::warn!(%error, facts = batch.len(), "a micro-batch was not applied; trying again");
                if !wait(backoff(failures), stop).await {
                    return Outcome::Stopped;
                }
            }
            Err(error) => return Outcome::Refused(error),
        }
    }
    Outcome::Stopped
}

/// Whether code and tables do not fit (SQLSTATE class 42), as between a migration and the restart after it. No entry is to
/// blame: taken for poison, all that comes meanwhile would become dead letters.
fn schema_differs(error: &StorageError) -> bool {
    let StorageError::Database(sqlx::Error::Database(error)) = error else { return false };
    error.code().is_some_and(|code| code.starts_with("42"))
}

fn measure(applied: &Applied, took: Duration) {
    metrics::histogram!("speed_batch_duration_seconds").record(took.as_secs_f64());
    metrics::counter!("speed_applied_total", "kind" => "event").increment(applied.events);
    metrics::counter!("speed_applied_total", "kind" => "review").increment(applied.reviews);
    metrics::counter!("speed_duplicates_total").increment(applied.duplicates);
    metrics::counter!("speed_quarantined_total").increment(applied.quarantined);
    metrics::counter!("speed_reopened_hours_total").increment(applied.reopened);
}

/// From the append to now, of the oldest entry.
fn measure_delay(entries: &[LogEntry]) {
    if let Some(oldest) = entries.iter().map(|entry| entry.appended_at).min() {
        let delay = (Utc::now() - oldest).to_std().unwrap_or_default();
        metrics::histogram!("speed_delay_seconds").record(delay.as_secs_f64());
    }
}

/// Keeps entries that are given up as dead letters, before they leave the log. Answers whether all are kept.
async fn bury(speed: &Speed, poison: Vec<Poison>) -> bool {
    for Poison { entry, reason } in poison {
        let tries = speed.settings.tries;
        if let Err(error) = dead_letters::add(&speed.pool, speed.log.name(), &entry, tries, &reason).await {
            tracing::warn!(entry = %entry.id, %error, "a dead letter was not written; its entry will come again");
            return false;
        }
        tracing::error!(entry = %entry.id, tries, reason, "an entry became a dead letter");
        metrics::counter!("speed_dead_letters_total").increment(1);
    }
    true
}
