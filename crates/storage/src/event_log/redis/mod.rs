//! The event log on Redis Streams: one stream, one consumer group, an entry a fact.
//!
//! Durability is the server's: only with `appendonly yes` and `appendfsync always` does a fact that was acknowledged
//! outlive the death of Redis and of the machine. [`RedisLog::durability`] tells, for doctor and worker.

mod group;

use std::time::Duration;

use domain::events::Fact;
use futures::FutureExt;
use futures::future::BoxFuture;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Script, cmd};
use secrecy::{ExposeSecret, SecretString};

use self::group::{FORGET, GROUP, no_group};
use super::{AppendError, Backlog, Entry, EntryId, EventLog};
use crate::StorageError;

/// A server that rewrites its append-only file stalls for seconds; giving up early would have senders send twice.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The one field of an entry.
const FIELD: &str = "fact";

/// Appends all or nothing. Entries leave the stream when acknowledged, so its length is what readers have not done.
const APPEND: &str = r"
if redis.call('XLEN', KEYS[1]) + #ARGV - 2 > tonumber(ARGV[1]) then return false end
local ids = {}
for i = 3, #ARGV do ids[i - 2] = redis.call('XADD', KEYS[1], '*', ARGV[2], ARGV[i]) end
return ids";

/// See the module's head.
pub struct RedisLog {
    /// Commands of many tasks share it; replies come in order, so a blocking read must not be among them.
    shared: ConnectionManager,
    /// For blocking reads, one at a time: Redis would have one wait for the other.
    reading: tokio::sync::Mutex<ConnectionManager>,
    stream: String,
    capacity: usize,
    append: Script,
    forget: Script,
}

/// How durably the server keeps what it has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// `appendonly`
    pub append_only: bool,
    /// `appendfsync`
    pub fsync: String,
}

impl Durability {
    /// What acknowledged facts may be lost by, and how to mend it; `None` where nothing acknowledged is lost.
    pub fn weakness(&self) -> Option<String> {
        match (self.append_only, self.fsync.as_str()) {
            (true, "always") => None,
            (true, fsync) => Some(format!(
                "appendfsync is {fsync}: a Redis that dies may lose the events that were accepted in its last seconds; \
                 set appendfsync always"
            )),
            (false, _) => Some(
                "appendonly is off: a Redis that stops loses every event that was accepted and not yet counted; \
                 set appendonly yes and appendfsync always"
                    .to_owned(),
            ),
        }
    }
}

impl RedisLog {
    /// Connects on first use. `capacity`: facts not yet acknowledged that the log may hold.
    ///
    /// # Errors
    /// A malformed URL.
    pub fn open(url: &SecretString, prefix: &str, capacity: usize) -> Result<Self, StorageError> {
        let connection = || {
            let config = ConnectionManagerConfig::new()
                .set_response_timeout(Some(RESPONSE_TIMEOUT))
                .set_connection_timeout(Some(CONNECT_TIMEOUT))
                .set_number_of_retries(1);
            ConnectionManager::new_lazy_with_config(redis::Client::open(url.expose_secret())?, config)
        };
        Ok(Self {
            shared: connection()?,
            reading: tokio::sync::Mutex::new(connection()?),
            stream: format!("{prefix}:events"),
            capacity,
            append: Script::new(APPEND),
            forget: Script::new(FORGET),
        })
    }

    /// As the server is set up.
    ///
    /// # Errors
    /// An unreachable server, or one that does not let us ask.
    pub async fn durability(&self) -> Result<Durability, StorageError> {
        let mut conn = self.shared.clone();
        let mut setting = async |name: &str| -> Result<String, StorageError> {
            let pair: Vec<String> = cmd("CONFIG").arg("GET").arg(name).query_async(&mut conn).await?;
            Ok(pair.into_iter().nth(1).unwrap_or_default())
        };
        Ok(Durability { append_only: setting("appendonly").await? == "yes", fsync: setting("appendfsync").await? })
    }
}

impl EventLog for RedisLog {
    fn name(&self) -> &str {
        &self.stream
    }

    fn append<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<Vec<EntryId>, AppendError>> {
        async move {
            if facts.is_empty() {
                return Ok(Vec::new());
            }
            let mut call = self.append.key(&self.stream);
            call.arg(self.capacity).arg(FIELD);
            for fact in facts {
                call.arg(serde_json::to_vec(fact).map_err(|error| AppendError::Unavailable(error.into()))?);
            }
            let ids: redis::RedisResult<Option<Vec<String>>> = call.invoke_async(&mut self.shared.clone()).await;
            match ids {
                Ok(Some(ids)) => Ok(ids),
                Ok(None) => Err(AppendError::Full),
                // The server's memory is at its bound, and it may evict nothing: full in another way.
                Err(error) if error.code() == Some("OOM") => Err(AppendError::Full),
                Err(error) => Err(AppendError::Unavailable(error.into())),
            }
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        consumer: &'a str,
        max: usize,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<Entry>, StorageError>> {
        async move {
            match self.read_once(consumer, max, wait).await {
                Err(error) if no_group(&error) => {
                    self.make_group().await?;
                    Ok(self.read_once(consumer, max, wait).await?)
                }
                entries => Ok(entries?),
            }
        }
        .boxed()
    }

    fn claim_stale<'a>(
        &'a self,
        consumer: &'a str,
        idle: Duration,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, StorageError>> {
        self.claim(consumer, idle, max).boxed()
    }

    fn ack<'a>(&'a self, ids: &'a [EntryId]) -> BoxFuture<'a, Result<(), StorageError>> {
        async move {
            if ids.is_empty() {
                return Ok(());
            }
            // Together, or an entry could be acknowledged and count against the capacity for ever.
            redis::pipe()
                .atomic()
                .cmd("XACK")
                .arg(&self.stream)
                .arg(GROUP)
                .arg(ids)
                .ignore()
                .cmd("XDEL")
                .arg(&self.stream)
                .arg(ids)
                .ignore()
                .query_async::<()>(&mut self.shared.clone())
                .await?;
            Ok(())
        }
        .boxed()
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StorageError>> {
        self.measure().boxed()
    }

    fn leave<'a>(&'a self, consumer: &'a str) -> BoxFuture<'a, Result<(), StorageError>> {
        self.forget(consumer).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_syncs_always_loses_nothing() {
        let weakness = |append_only, fsync: &str| Durability { append_only, fsync: fsync.to_owned() }.weakness();
        assert_eq!(weakness(true, "always"), None);
        assert!(weakness(true, "everysec").is_some_and(|text| text.ends_with("set appendfsync always")));
        assert!(weakness(false, "always").is_some_and(|text| text.contains("set appendonly yes")));
    }
}
