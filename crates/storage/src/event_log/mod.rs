//! The event log: where facts are safe before anybody has looked at them. A port and its adapters.
//!
//! What every adapter promises:
//!
//! - **Append** is all or nothing. `Ok` means that the log has every fact as durably as its server is set to keep
//!   anything, which should be for good; an error means that it may or may not have them, and sending them again does no harm, because facts carry
//!   ids and readers drop duplicates.
//! - **Bounded.** A log that holds [`Capacity`](redis::RedisLog::open) facts not yet acknowledged answers
//!   [`AppendError::Full`]. It never drops a fact to make room.
//! - **At least once.** A fact read is handed to one consumer and stays its until acknowledged. If that consumer dies, the
//!   fact is claimed by another after a while. So a reader sees a fact once or more, in the order of appending but for
//!   facts that are claimed.
//! - **One reading group.** Acknowledged facts are gone from the log; PostgreSQL keeps them.

pub mod redis;

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::events::Fact;
use futures::future::BoxFuture;

use crate::StorageError;

pub use self::redis::RedisLog;

/// An entry's name in the log, unique and opaque.
pub type EntryId = String;

/// Why facts were not taken.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Readers are too far behind; nothing was taken. The sender should come again in a while.
    #[error("the event log is full")]
    Full,
    /// The log cannot be reached, or did not answer in time.
    #[error("the event log is unavailable: {0}")]
    Unavailable(#[source] StorageError),
}

/// One fact as delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: EntryId,
    /// As it lies in the log; [`Entry::fact`] reads it.
    pub payload: String,
    /// Times it was handed to a consumer, this time included.
    pub deliveries: u64,
    /// By the log's clock.
    pub appended_at: DateTime<Utc>,
}

impl Entry {
    /// The fact in it.
    ///
    /// # Errors
    /// When no code of ours, or code newer than ours, wrote it.
    pub fn fact(&self) -> Result<Fact, serde_json::Error> {
        serde_json::from_str(&self.payload)
    }
}

/// How far readers are behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Facts not yet acknowledged, those in hand included.
    pub waiting: u64,
    /// Of these, handed to a consumer.
    pub in_hand: u64,
    /// Age of the oldest fact not yet acknowledged, whether in hand (also of a consumer that died) or not, by the log's
    /// own clock; `None` where there is none.
    pub lag: Option<Duration>,
}

/// See the module's head for what every adapter promises. Futures are boxed so that a setting can choose the adapter.
pub trait EventLog: Send + Sync {
    /// Its name, for the dead letters.
    fn name(&self) -> &str;

    /// Adds facts; answers their ids in the same order once the log has them durably.
    fn append<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<Vec<EntryId>, AppendError>>;

    /// Hands up to `max` facts that nobody has yet to `consumer`, oldest first. Waits up to `wait` for the first one.
    fn read<'a>(
        &'a self,
        consumer: &'a str,
        max: usize,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<Entry>, StorageError>>;

    /// Takes over up to `max` facts that their consumers have had for longer than `idle`, its own included.
    fn claim_stale<'a>(
        &'a self,
        consumer: &'a str,
        idle: Duration,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, StorageError>>;

    /// Done with these: they will not be delivered again. Unknown ids are ignored.
    fn ack<'a>(&'a self, ids: &'a [EntryId]) -> BoxFuture<'a, Result<(), StorageError>>;

    /// How far readers are behind. Costs the same however long the log is.
    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StorageError>>;

    /// Forgets a consumer that has nothing in hand; one that has is left, so that its facts can be claimed.
    fn leave<'a>(&'a self, consumer: &'a str) -> BoxFuture<'a, Result<(), StorageError>>;
}

#[cfg(test)]
mod tests {
    use domain::events::{Event, EventType};
    use domain::{EventId, MovieId, UserId};

    use super::*;

    #[test]
    fn what_was_appended_is_read_back_and_strangers_are_refused() {
        let fact = Fact::Event(Event {
            event_id: EventId::new(),
            user_id: UserId::new(7).unwrap(),
            movie_id: MovieId::new(550).unwrap(),
            event_type: EventType::View,
            rating: None,
            occurred_at: "2026-03-10T12:00:00Z".parse().unwrap(),
        });
        let entry =
            |payload: String| Entry { id: "1-0".into(), payload, deliveries: 1, appended_at: DateTime::UNIX_EPOCH };
        assert_eq!(entry(serde_json::to_string(&fact).unwrap()).fact().unwrap(), fact);
        for stranger in ["", "{}", r#"{"kind":"dance"}"#, "\u{0}"] {
            assert!(entry(stranger.into()).fact().is_err());
        }
    }
}
