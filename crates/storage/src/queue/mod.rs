//! The transport of jobs: apalis on Redis, in the minimal configuration that proved reliable in tests.
//!
//! It carries job ids only. Status, attempts, retries, time-outs and cancellation are in the ledger
//! ([`crate::postgres::jobs`]), because apalis-redis handles them badly: an undecodable payload kills its worker, its
//! retry count is fixed at 25, and a killed run does not count as an attempt.

use std::time::Duration;

use apalis::prelude::{TaskSink, TaskSinkError};
use apalis_redis::{Config, RedisStorage};
use domain::JobId;
use domain::jobs::Queue;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::{ExposeSecret, SecretString};

use crate::{StorageError, Store};

/// redis-rs gives up after 500 ms by default; a server that rewrites its append-only file stalls longer than that.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// Retention of finished tasks in Redis, for inspection with apalis' own tools.
const FINISHED_KEPT: Duration = Duration::from_secs(600);

/// Heartbeat of apalis: after 5 s × 6 = 30 s without one a worker counts as dead there. The ledger's lease is shorter;
/// whichever redelivers first, the claim is granted only once.
const TRANSPORT_HEARTBEAT: Duration = Duration::from_secs(5);
const TRANSPORT_MISSED_HEARTBEATS: usize = 6;

impl From<apalis_redis::Error> for StorageError {
    fn from(error: apalis_redis::Error) -> Self {
        match error {
            apalis_redis::Error::Database(error) => error.into(),
            error => Self::Queue(error.to_string()),
        }
    }
}

/// The apalis backend of a queue; the payload is a job's id as text.
pub type QueueStorage = RedisStorage<String>;

/// A connection to the queues of one installation.
#[derive(Clone)]
pub struct JobQueue {
    connection: ConnectionManager,
    prefix: String,
}

impl JobQueue {
    /// Connects now and reconnects by itself later. Keys begin with `<prefix>:queue:`.
    ///
    /// # Errors
    /// A malformed URL, or an unreachable server.
    pub async fn connect(url: &SecretString, prefix: &str) -> Result<Self, StorageError> {
        let client = redis::Client::open(url.expose_secret())
            .map_err(|error| StorageError::configuration(Store::Redis, error))?;
        let config = ConnectionManagerConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
        Ok(Self { connection: client.get_connection_manager_with_config(config).await?, prefix: prefix.to_owned() })
    }

    fn config(&self, queue: Queue) -> Config {
        Config::default()
            .queue(format!("{}:queue:{}", self.prefix, queue.as_str()))
            // With more than 1, apalis delays its own heartbeat and jobs run twice.
            .batch_size(1)
            .heartbeat_interval(TRANSPORT_HEARTBEAT)
            .missed_heartbeats(TRANSPORT_MISSED_HEARTBEATS)
            .persist_results(false)
            .emit_events(false)
    }

    /// The apalis backend of one queue, for the worker to poll.
    pub fn storage(&self, queue: Queue) -> QueueStorage {
        RedisStorage::new(self.connection.clone()).with_config(self.config(queue))
    }

    /// Sends ids to workers, in one command.
    ///
    /// # Errors
    /// [`StorageError::Redis`] where Redis is unavailable or refuses the command; some of the ids may have been sent.
    pub async fn push(&self, queue: Queue, ids: &[JobId]) -> Result<(), StorageError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.storage(queue).push_bulk(ids.iter().map(JobId::to_string).collect()).await.map_err(|error| match error {
            TaskSinkError::PushError(error) => error.into(),
            error => StorageError::Queue(error.to_string()),
        })
    }

    /// Number of ids that wait in Redis, without those that a worker holds.
    pub async fn waiting(&self, queue: Queue) -> Result<i64, StorageError> {
        let config = self.config(queue);
        let (scheduled, active): (i64, i64) = redis::pipe()
            .cmd("ZCARD")
            .arg(config.scheduled_jobs_set())
            .cmd("LLEN")
            .arg(config.active_jobs_list())
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(scheduled + active)
    }

    /// Deletes apalis' records of tasks that finished more than [`FINISHED_KEPT`] ago, since they do not expire;
    /// returns the number deleted. apalis' own `vacuum` would also delete failed tasks that wait for a retry, of which
    /// there are none: handlers always acknowledge.
    pub async fn vacuum(&self, queue: Queue) -> Result<usize, StorageError> {
        use apalis_core::backend::Vacuum;
        let removed = self.storage(queue).vacuum_before(FINISHED_KEPT).await?;
        // apalis also keeps a set of finished ids, which its own vacuum leaves and nothing reads.
        redis::cmd("DEL")
            .arg(self.config(queue).done_jobs_set())
            .query_async::<()>(&mut self.connection.clone())
            .await?;
        Ok(removed)
    }

    /// Measures the round trip of a PING.
    pub async fn ping(&self) -> Result<Duration, StorageError> {
        let start = std::time::Instant::now();
        redis::cmd("PING").query_async::<()>(&mut self.connection.clone()).await?;
        Ok(start.elapsed())
    }

    /// Reads `maxmemory-policy`; empty where the server does not report it. The server of a queue must not evict keys.
    pub async fn eviction_policy(&self) -> Result<String, StorageError> {
        let mut conn = self.connection.clone();
        let policy: Vec<String> =
            redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").query_async(&mut conn).await?;
        Ok(policy.into_iter().nth(1).unwrap_or_default())
    }
}
