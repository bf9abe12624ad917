//! The event log: stores accepted facts durably until the speed layer has counted them. A port, and its adapters.
//!
//! A log has a [sink](EventSink), to which the API appends, and any number of [sources](EventSource), from which the
//! speed layer reads. It consists of partitions; each partition is read in append order, and by one reader at a time.
//! Every adapter guarantees the following, and `storage/tests/it/event_log.rs` checks it for each:
//!
//! - **Append is all or nothing.** `Ok`: the log holds every fact, as durably as [`EventSink::durability`] returns. On
//!   an error it may or may not hold them; appending them again is idempotent, since facts have ids and readers drop
//!   duplicates.
//! - **Bounded.** A log that holds `capacity` uncommitted facts returns [`AppendError::Full`]. It never drops a fact to
//!   make room.
//! - **At least once.** A delivery belongs to its reader until committed. While the reader lives, no other reader gets
//!   it; after the reader's death another one does. A reader that reads again without committing gets the same facts
//!   again.
//! - **One group of readers.** Committed facts may leave the log; PostgreSQL stores them.
//!
//! The port does not count attempts, since a log with offsets only cannot. The reader counts them (worker/src/speed).
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

/// The log's URL, name prefix and capacity.
#[derive(Debug, Clone)]
pub struct EventLogConfig {
    /// The scheme selects the adapter: `redis` or `rediss` (Redis Streams), `file` (a directory on this machine).
    pub url: SecretString,
    /// Prefix of the log's name, for servers or directories that several installations share.
    pub prefix: String,
    /// Most uncommitted facts that the log holds.
    pub capacity: usize,
}

/// Opens the log at the URL. It connects on first use.
///
/// # Errors
/// [`StorageError::Configuration`] for a malformed URL, or a scheme without an adapter.
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

/// Why facts were not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Readers are too far behind; no fact was accepted. Back-pressure: the sender should retry later.
    #[error("the event log is full")]
    Full,
    /// The log is unreachable, or did not answer in time.
    #[error("the event log is unavailable: {0}")]
    Unavailable(#[source] StorageError),
}

/// Which accepted facts survive the crash of the log's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// All of them.
    Durable,
    /// All but those of the last seconds; with advice for the operator.
    LosesSeconds(String),
    /// None that was not yet committed; with advice for the operator.
    LosesAll(String),
}

/// How far the readers are behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Number of uncommitted facts, including those that a reader is processing.
    pub waiting: u64,
    /// Age of the oldest uncommitted fact by the log's clock; `None` where there is none.
    pub lag: Option<Duration>,
}

/// An entry of the log: one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// An opaque id, unique in the log and the same at every delivery.
    pub id: String,
    /// The fact as JSON; [`LogEntry::fact`] reads it.
    pub payload: String,
    /// The append time by the log's clock.
    pub appended_at: DateTime<Utc>,
}

impl LogEntry {
    /// Parses the fact.
    ///
    /// # Errors
    /// When another program, or a newer release, wrote the entry.
    pub fn fact(&self) -> Result<Fact, serde_json::Error> {
        serde_json::from_str(&self.payload)
    }
}

/// The offsets at which a delivery ends, by partition. Only the adapter that created it interprets them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position(Vec<(u32, String)>);

/// Entries delivered to a reader, which are committed together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Entries of one partition in append order.
    pub entries: Vec<LogEntry>,
    pub position: Position,
}

/// How many entries to deliver, and how long to wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Most entries of the delivery.
    pub max: usize,
    /// Longest wait for the first entry.
    pub wait: Duration,
    /// Longest further wait for the delivery to fill up, once it has an entry.
    pub linger: Duration,
}

/// The writing end of a log. Futures are boxed so that a setting can select the adapter at run time.
pub trait EventSink: Send + Sync {
    /// Appends facts, in this order within a partition.
    fn append<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<(), AppendError>>;

    /// Measures how far readers are behind. The cost does not depend on the log's length.
    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StorageError>>;

    /// Determines what survives the crash of the log's machine.
    fn durability(&self) -> BoxFuture<'_, Result<Durability, StorageError>>;
}

/// The reading end of a log, for one reader. Dropping it without [`EventSource::close`] is equivalent to the reader's
/// death.
pub trait EventSource: Send {
    /// The next entries that no other reader has; an empty delivery where none came in time. After a delivery that was
    /// not committed: the same entries again.
    fn next(&mut self, fetch: Fetch) -> BoxFuture<'_, Result<Delivery, StorageError>>;

    /// Heartbeat: keeps the reader's delivery. Must be called several times within `dead_after` (see
    /// [`EventLog::reader`]).
    fn keep_alive(&mut self) -> BoxFuture<'_, Result<(), StorageError>>;

    /// Commits everything up to this position: it will not be delivered again.
    ///
    /// # Errors
    /// On an error it may be delivered again: to this reader, or to the one that took the delivery over.
    fn commit<'a>(&'a mut self, position: &'a Position) -> BoxFuture<'a, Result<(), StorageError>>;

    /// Leaves the group. Uncommitted entries go to other readers, at once or as after the reader's death.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), StorageError>>;
}

/// A log with both ends.
pub trait EventLog: EventSink {
    /// The log's name, which dead letters record.
    fn name(&self) -> &str;

    /// Joins the group of readers under a name that no other reader has or had. A reader without a heartbeat for
    /// `dead_after` counts as dead, unless the log detects deaths by itself.
    fn reader(&self, name: &str, dead_after: Duration) -> Result<Box<dyn EventSource>, StorageError>;
}

#[cfg(test)]
mod tests {
    use domain::events::{Event, EventType};
    use domain::viewers::ViewerName;
    use domain::{EventId, MovieId};

    use super::*;

    #[test]
    fn what_was_appended_is_read_back_and_strangers_are_refused() {
        let fact = Fact::Event(Event {
            event_id: EventId::new(),
            user_id: ViewerName::numbered(7),
            movie_id: MovieId::new(550).unwrap(),
            event_type: EventType::View,
            rating: None,
            list_id: None,
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
