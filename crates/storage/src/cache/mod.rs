//! The shared level of the response cache: ready-made response bytes in Redis.
//!
//! Redis may be unavailable, slow or emptied at any time: every call is bounded by [`TIMEOUT`], and after a failure the
//! caller continues without a cache.

use std::time::Duration;

use deadpool_redis::{Config, Connection, Pool, PoolConfig, PoolError, Runtime};
use secrecy::{ExposeSecret, SecretString};

use crate::{StorageError, Store};

/// Time limit of every call: beyond it a database query is faster.
pub const TIMEOUT: Duration = Duration::from_millis(100);

/// Connections to the cache; each carries several requests a millisecond.
const POOL_SIZE: usize = 16;

/// `COUNT` of a `SCAN` step: keys that Redis examines before it serves other clients.
const SCAN_COUNT: u32 = 1_000;

/// A pool of connections to the cache's Redis.
#[derive(Clone)]
pub struct RedisCache {
    pool: Pool,
    prefix: String,
}

/// State of the cache's Redis server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheServer {
    /// Keys of the whole server, including other users' keys.
    pub total_keys: u64,
    /// `maxmemory-policy`; empty where the server does not report it.
    pub maxmemory_policy: String,
    /// Round trip of one command.
    pub latency: Duration,
}

impl RedisCache {
    /// A pool that connects on first use. Keys begin with `<prefix>:cache:`.
    ///
    /// # Errors
    /// A malformed URL ([`StorageError::Configuration`]).
    pub fn new(url: &SecretString, prefix: &str) -> Result<Self, StorageError> {
        let mut config = Config::from_url(url.expose_secret());
        let mut pool = PoolConfig::new(POOL_SIZE);
        pool.timeouts.wait = Some(TIMEOUT);
        pool.timeouts.create = Some(TIMEOUT);
        pool.timeouts.recycle = Some(TIMEOUT);
        config.pool = Some(pool);
        let pool = config
            .create_pool(Some(Runtime::Tokio1))
            .map_err(|error| StorageError::configuration(Store::CacheRedis, error))?;
        Ok(Self { pool, prefix: format!("{prefix}:cache") })
    }

    fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.prefix)
    }

    /// Reads an entry; `None` where there is none or it has expired.
    ///
    /// # Errors
    /// As every call: [`StorageError::TimedOut`] after [`TIMEOUT`], [`StorageError::Redis`] where Redis refuses the
    /// command or is unavailable.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.command(redis::cmd("GET").arg(self.key(key))).await
    }

    /// Writes an entry with a TTL.
    pub async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), StorageError> {
        self.command(redis::cmd("SET").arg(self.key(key)).arg(value).arg("PX").arg(whole_millis(ttl))).await
    }

    /// Writes many entries, each with its TTL, in one round trip.
    pub async fn set_many<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a str, &'a [u8], Duration)>,
    ) -> Result<(), StorageError> {
        let mut pipe = redis::pipe();
        for (key, value, ttl) in entries {
            pipe.cmd("SET").arg(self.key(key)).arg(value).arg("PX").arg(whole_millis(ttl)).ignore();
        }
        if pipe.is_empty() {
            return Ok(());
        }
        let answer = async {
            let mut conn = self.connection().await?;
            Ok(pipe.query_async(&mut conn).await?)
        };
        bounded(answer).await
    }

    /// Removes every entry whose key begins with `prefix`, in steps between which Redis serves other clients; returns
    /// the number of entries removed.
    pub async fn remove_under(&self, prefix: &str) -> Result<u64, StorageError> {
        let pattern = format!("{}*", escaped(&self.key(prefix)));
        let (mut cursor, mut removed) = (0_u64, 0);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
            let (next, keys): (u64, Vec<Vec<u8>>) = self.command(&scan).await?;
            if !keys.is_empty() {
                removed += self.command::<u64>(redis::cmd("UNLINK").arg(keys)).await?;
            }
            if next == 0 {
                return Ok(removed);
            }
            cursor = next;
        }
    }

    /// Sends a PING, and reads what the health endpoint and `moviemetric doctor` show.
    pub async fn server(&self) -> Result<CacheServer, StorageError> {
        let start = std::time::Instant::now();
        let total_keys = self.command(&redis::cmd("DBSIZE")).await?;
        let latency = start.elapsed();
        let policy: Vec<String> =
            self.command(redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy")).await.unwrap_or_default();
        Ok(CacheServer { total_keys, latency, maxmemory_policy: policy.into_iter().nth(1).unwrap_or_default() })
    }

    async fn connection(&self) -> Result<Connection, StorageError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(_) => timed_out(),
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                StorageError::Disconnected { store: Store::CacheRedis }
            }
        })
    }

    async fn command<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, StorageError> {
        let answer = async {
            let mut conn = self.connection().await?;
            Ok(command.query_async(&mut conn).await?)
        };
        bounded(answer).await
    }
}

async fn bounded<T>(answer: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    tokio::time::timeout(TIMEOUT, answer).await.unwrap_or_else(|_| Err(timed_out()))
}

fn timed_out() -> StorageError {
    StorageError::TimedOut { store: Store::CacheRedis, after: TIMEOUT }
}

/// Escapes a text so that, as a pattern, it matches only itself.
fn escaped(text: &str) -> String {
    let special = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\' | '^' | '-');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The TTL in milliseconds, at least 1, since Redis rejects an expiry of zero.
fn whole_millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}
