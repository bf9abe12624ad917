//! The event log on Redis Streams: one stream, which is one partition; one consumer group; one entry per fact.
//!
//! Committed entries are deleted from the stream, so its length is the number of uncommitted facts. Readers share the
//! partition: the group's pending list records which reader has which entries, and a reader commits its own entries up
//! to an id.
//!
//! Durability depends on the server's settings: only with `appendonly yes` and `appendfsync always` does an accepted
//! fact survive a crash of Redis and of the machine.

mod reader;

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::events::Fact;
use futures::FutureExt;
use futures::future::BoxFuture;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Script, cmd};
use secrecy::{ExposeSecret, SecretString};

use self::reader::RedisReader;
use super::{AppendError, Backlog, Durability, EventLog, EventLogConfig, EventSink, EventSource};
use crate::{StorageError, Store};

/// Time limit of a command. A server that rewrites its append-only file stalls for seconds; with a shorter limit
/// senders would send twice.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit of opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Name of an entry's only field.
const FIELD: &str = "fact";

const APPEND: &str = r"
if redis.call('XLEN', KEYS[1]) + #ARGV - 2 > tonumber(ARGV[1]) then return 0 end
for i = 3, #ARGV do redis.call('XADD', KEYS[1], '*', ARGV[2], ARGV[i]) end
return 1";

/// Entries as Redis returns them: id, and fields unless the entry was deleted.
type RawEntries = Vec<(String, Option<Vec<Vec<u8>>>)>;

/// See the module's documentation.
pub(super) struct RedisLog {
    url: SecretString,
    /// Shared by many tasks; replies come in order, so blocking reads need a connection of their own.
    shared: ConnectionManager,
    stream: String,
    capacity: usize,
    append: Script,
}

impl RedisLog {
    pub(super) fn open(config: &EventLogConfig) -> Result<Self, StorageError> {
        Ok(Self {
            url: config.url.clone(),
            shared: connection(&config.url)?,
            stream: format!("{}:events", config.prefix),
            capacity: config.capacity,
            append: Script::new(APPEND),
        })
    }

    async fn measure(&self) -> Result<Backlog, StorageError> {
        // Committed entries are deleted, so the stream's first entry is the oldest uncommitted one.
        let (waiting, oldest, (seconds, micros)): (u64, RawEntries, (i64, i64)) = redis::pipe()
            .cmd("XLEN")
            .arg(&self.stream)
            .cmd("XRANGE")
            .arg(&self.stream)
            .arg("-")
            .arg("+")
            .arg("COUNT")
            .arg(1)
            .cmd("TIME")
            .query_async(&mut self.shared.clone())
            .await?;
        // The server's clock made the ids, so the age is computed with the server's clock.
        let now = DateTime::from_timestamp_millis(seconds * 1_000 + micros / 1_000).unwrap_or_default();
        let lag = oldest.first().map(|(id, _)| (now - appended_at(id)).to_std().unwrap_or_default());
        Ok(Backlog { waiting, lag })
    }

    async fn ask_durability(&self) -> Result<Durability, StorageError> {
        let mut conn = self.shared.clone();
        let mut setting = async |name: &str| -> Result<String, StorageError> {
            let pair: Vec<String> = cmd("CONFIG").arg("GET").arg(name).query_async(&mut conn).await?;
            Ok(pair.into_iter().nth(1).unwrap_or_default())
        };
        Ok(durability(setting("appendonly").await? == "yes", &setting("appendfsync").await?))
    }
}

impl EventSink for RedisLog {
    fn append<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<(), AppendError>> {
        async move {
            if facts.is_empty() {
                return Ok(());
            }
            let mut call = self.append.key(&self.stream);
            call.arg(self.capacity).arg(FIELD);
            for fact in facts {
                call.arg(serde_json::to_vec(fact).map_err(|error| AppendError::Unavailable(error.into()))?);
            }
            match call.invoke_async(&mut self.shared.clone()).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(AppendError::Full),
                // The server has reached its memory limit and may not evict: the log is full as well.
                Err(error) if error.code() == Some("OOM") => Err(AppendError::Full),
                Err(error) => Err(AppendError::Unavailable(error.into())),
            }
        }
        .boxed()
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StorageError>> {
        self.measure().boxed()
    }

    fn durability(&self) -> BoxFuture<'_, Result<Durability, StorageError>> {
        self.ask_durability().boxed()
    }
}

impl EventLog for RedisLog {
    fn name(&self) -> &str {
        &self.stream
    }

    fn reader(&self, name: &str, dead_after: Duration) -> Result<Box<dyn EventSource>, StorageError> {
        // A separate connection, since a blocking read would delay the other commands.
        Ok(Box::new(RedisReader::new(connection(&self.url)?, &self.stream, name, dead_after)))
    }
}

fn connection(url: &SecretString) -> Result<ConnectionManager, StorageError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_number_of_retries(1);
    let client = redis::Client::open(url.expose_secret())
        .map_err(|error| StorageError::configuration(Store::EventLog, error))?;
    Ok(ConnectionManager::new_lazy_with_config(client, config)?)
}

/// The durability that `appendonly` and `appendfsync` give.
fn durability(append_only: bool, fsync: &str) -> Durability {
    match (append_only, fsync) {
        (true, "always") => Durability::Durable,
        (true, fsync) => Durability::LosesSeconds(format!(
            "appendfsync is {fsync}: a Redis that dies may lose the events that were accepted in its last seconds; set \
             appendfsync always"
        )),
        (false, _) => Durability::LosesAll(
            "appendonly is off: a Redis that stops loses every event that was accepted and not yet counted; set \
             appendonly yes and appendfsync always"
                .to_owned(),
        ),
    }
}

/// The append time, which an id begins with (milliseconds since 1970).
fn appended_at(id: &str) -> DateTime<Utc> {
    let millis = id.split('-').next().and_then(|millis| millis.parse().ok());
    millis.and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_syncs_always_loses_nothing() {
        assert_eq!(durability(true, "always"), Durability::Durable);
        let Durability::LosesSeconds(advice) = durability(true, "everysec") else { panic!() };
        assert!(advice.ends_with("set appendfsync always"));
        let Durability::LosesAll(advice) = durability(false, "always") else { panic!() };
        assert!(advice.contains("set appendonly yes"));
    }
}
