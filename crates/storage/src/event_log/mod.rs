//! The event log: where facts are safe before anybody has counted them. A port, and its adapters.
//!
//! A log has a [sink](EventSink), to which the API appends, and any number of [sources](EventSource), from which the
//! speed layer reads. It consists of partitions: each is read in the order of appending, and by one reader at a time.
//! What every adapter promises, and `storage/tests/it/event_log.rs` checks for each:
//!
//! - **Append is all or nothing.** `Ok`: the log holds every fact, as durably as [`EventSink::durability`] says. An
//!   error: it may or may not hold them. Sending them again does no harm, since facts carry ids and readers drop duplicates.
//! - **Bounded.** A log that holds `capacity` facts not yet committed answers [`AppendError::Full`]. It never drops a
//!   fact to make room.
//! - **At least once.** A delivery is its reader's until committed. While the reader lives, nobody else gets it; after
//!   the reader's death another one does. A reader that asks again without committing gets the same facts again.
//! - **One group of readers.** Committed facts may leave the log; PostgreSQL keeps them.
//!
//! The port counts no attempts: a log that knows only offsets cannot. Who reads counts (worker/src/speed).
//!
//! A new adapter is a file here and an arm in [`open`].

mod file;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::events::Fact;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use crate::{StorageError, Store};

/// Where the log is and how much it may hold.
#[derive(Debug, Clone)]
pub struct EventLogConfig {
    /// The scheme chooses the adapter: `redis` or `rediss` (Redis Streams), `file` (a directory on this machine).
    pub url: SecretString,
    /// Before the log's name, where several systems share a server or a directory.
    pub prefix: String,
    /// Facts not yet committed that the log may hold.
    pub capacity: usize,
}

/// Opens the log that the URL names. Connects on first use.
///
/// # Errors
/// A malformed URL, or one whose scheme no adapter knows.
pub fn open(config: &EventLogConfig) -> Result<Arc<dyn EventLog>, StorageError> {
    let url = config.url.expose_secret();
    match url.split_once("://") {
        Some(("redis" | "rediss", _)) => Ok(Arc::new(redis::RedisLog::open(config)?)),
        Some(("file", path)) => Ok(Arc::new(file::FileLog::open(path.as_ref(), config))),
        _ => {
            Err(StorageError::configuration(Store::EventLog, "the URL must begin with redis://, rediss:// or file://"))
        }
    }
}

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

/// What a log keeps of what it has accepted when its machine dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// Everything.
    Durable,
    /// All but the last seconds; with what to change.
    LosesSeconds(String),
    /// Nothing that was not committed yet; with what to change.
    LosesAll(String),
}

/// How far readers are behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Facts not yet committed, those that a reader works on included.
    pub waiting: u64,
    /// Age of the oldest of them, by the log's own clock; `None` where there is none.
    pub lag: Option<Duration>,
}

/// One fact as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its name, unique in the log and opaque. The same whenever the entry is delivered.
    pub id: String,
    /// The fact as JSON; [`LogEntry::fact`] reads it.
    pub payload: String,
    /// By the log's clock.
    pub appended_at: DateTime<Utc>,
}

impl LogEntry {
    /// The fact in it.
    ///
    /// # Errors
    /// When no code of ours, or code newer than ours, wrote it.
    pub fn fact(&self) -> Result<Fact, serde_json::Error> {
        serde_json::from_str(&self.payload)
    }
}

/// The offsets up to which a delivery goes, by partition. Only the adapter that made it reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position(Vec<(u32, String)>);

/// Entries handed to a reader, to be committed together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Of one partition in the order of appending.
    pub entries: Vec<LogEntry>,
    pub position: Position,
}

/// How much to deliver, and how long to wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Entries at most.
    pub max: usize,
    /// For the first entry.
    pub wait: Duration,
    /// For the delivery to fill up, once it has an entry.
    pub linger: Duration,
}

/// The writing end. Futures are boxed so that a setting can choose the adapter.
pub trait EventSink: Send + Sync {
    /// Adds facts, in this order within a partition.
    fn append<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<(), AppendError>>;

    /// How far readers are behind. Costs the same however long the log is.
    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StorageError>>;

    /// What outlives the death of the machine.
    fn durability(&self) -> BoxFuture<'_, Result<Durability, StorageError>>;
}

/// The reading end, of one reader. Dropping it without [`EventSource::close`] is what a reader's death looks like.
pub trait EventSource: Send {
    /// The next entries that no other reader has; none, where none came in time. After a delivery that was not
    /// committed: those entries again.
    fn next(&mut self, fetch: Fetch) -> BoxFuture<'_, Result<Delivery, StorageError>>;

    /// Tells the log that the reader still works on its delivery. To be called some times within the time after which
    /// the reader is taken for dead (see [`EventLog::reader`]).
    fn keep_alive(&mut self) -> BoxFuture<'_, Result<(), StorageError>>;

    /// Done with everything up to this position: it will not be delivered again.
    ///
    /// # Errors
    /// When it may be delivered again: to this reader, or to the one that took the delivery over.
    fn commit<'a>(&'a mut self, position: &'a Position) -> BoxFuture<'a, Result<(), StorageError>>;

    /// Leaves the group. What was not committed is for others, at once or as after a death.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), StorageError>>;
}

/// Both ends.
pub trait EventLog: EventSink {
    /// Its name, for the dead letters.
    fn name(&self) -> &str;

    /// Joins the group of readers under a name that no other has or had. A reader that is not heard of for `dead_after`
    /// is taken for dead, where the log cannot know it better.
    fn reader(&self, name: &str, dead_after: Duration) -> Result<Box<dyn EventSource>, StorageError>;
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
        let entry = |payload: String| LogEntry { id: "1-0".into(), payload, appended_at: DateTime::UNIX_EPOCH };
        assert_eq!(entry(serde_json::to_string(&fact).unwrap()).fact().unwrap(), fact);
        for stranger in ["", "{}", r#"{"kind":"dance"}"#, "\u{0}"] {
            assert!(entry(stranger.into()).fact().is_err());
        }
    }

    #[tokio::test]
    async fn a_scheme_that_no_adapter_knows_is_refused() {
        let config = |url: &str| EventLogConfig { url: url.into(), prefix: "x".into(), capacity: 1 };
        assert!(open(&config("redis://127.0.0.1:1")).is_ok() && open(&config("file:///nowhere")).is_ok());
        assert!(open(&config("kafka://127.0.0.1")).is_err() && open(&config("127.0.0.1")).is_err());
    }
}
