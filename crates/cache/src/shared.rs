//! The cache tier that all API processes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use storage::StorageError;
use storage::cache::RedisCache;
use tokio::sync::mpsc;

use crate::entry::{Entry, Times};
use crate::subject::{Compute, Failure};

/// Open time of the circuit breaker: after a failure, Redis gets no requests for this long, then one trial request. An
/// unreachable server costs one time-out per second, not one per request.
const OPEN_TIME: Duration = Duration::from_secs(1);

/// Maximum number of entries that wait to be written. If Redis cannot keep up, the newest are dropped, since they can
/// be recomputed.
const WAITING_MAX: usize = 1_024;

/// Maximum number of entries written in one round trip.
const ENTRIES_PER_WRITE_MAX: usize = 64;

/// Redis behind a circuit breaker. A writer task keeps requests from waiting for writes.
pub(crate) struct Shared<E> {
    redis: RedisCache,
    breaker: Arc<Breaker>,
    writes: mpsc::Sender<(String, Arc<Entry<E>>)>,
}

impl<E: Failure> Shared<E> {
    /// Starts the writer, which ends when the last sender is dropped.
    pub fn new(redis: RedisCache) -> Self {
        let (writes, waiting) = mpsc::channel(WAITING_MAX);
        let breaker = Arc::new(Breaker::new());
        tokio::spawn(write(redis.clone(), breaker.clone(), waiting));
        Self { redis, breaker, writes }
    }

    /// Returns the entry if Redis answers and has it.
    pub async fn get(&self, key: &str, times: Times, compute: &Arc<dyn Compute<E>>) -> Option<Entry<E>> {
        if !self.breaker.allows() {
            return None;
        }
        let answer = self.redis.get(key).await;
        self.breaker.note(&answer);
        Entry::decode(answer.ok()??, times, compute.clone())
    }

    /// Queues the entry for writing; drops it if the queue is full.
    pub fn put(&self, key: &str, entry: &Arc<Entry<E>>) {
        if self.writes.try_send((key.to_owned(), entry.clone())).is_err() {
            metrics::counter!("cache_writes_dropped_total").increment(1);
        }
    }

    pub fn redis(&self) -> &RedisCache {
        &self.redis
    }
}

async fn write<E>(redis: RedisCache, breaker: Arc<Breaker>, mut waiting: mpsc::Receiver<(String, Arc<Entry<E>>)>) {
    let mut batch = Vec::with_capacity(ENTRIES_PER_WRITE_MAX);
    while waiting.recv_many(&mut batch, ENTRIES_PER_WRITE_MAX).await > 0 {
        let encoded: Vec<_> = batch.drain(..).map(|(key, entry)| (key, entry.encode(), entry.kept())).collect();
        if breaker.allows() {
            let entries = encoded.iter().map(|(key, bytes, ttl)| (key.as_str(), bytes.as_ref(), *ttl));
            breaker.note(&redis.set_many(entries).await);
        }
    }
}

/// Circuit breaker: closed while Redis answers, open for [`OPEN_TIME`] after a failure, then half-open for one attempt.
struct Breaker {
    since: Instant,
    /// Milliseconds after `since` at which the next attempt is allowed; 0 means closed.
    retry_at: AtomicU64,
}

impl Breaker {
    fn new() -> Self {
        Self { since: Instant::now(), retry_at: AtomicU64::new(0) }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether this caller may send a request.
    fn allows(&self) -> bool {
        let retry_at = self.retry_at.load(Ordering::Relaxed);
        let next = self.millis() + OPEN_TIME.as_millis() as u64;
        retry_at == 0
            || (retry_at <= self.millis()
                && self.retry_at.compare_exchange(retry_at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok())
    }

    /// Records the outcome of a request; logs only changes of state.
    fn note<T>(&self, outcome: &Result<T, StorageError>) {
        match outcome {
            Ok(_) => {
                if self.retry_at.swap(0, Ordering::Relaxed) != 0 {
                    tracing::info!("the cache's Redis answers again");
                }
            }
            Err(error) => {
                metrics::counter!("cache_redis_errors_total").increment(1);
                let next = self.millis() + OPEN_TIME.as_millis() as u64;
                if self.retry_at.swap(next, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, "the cache's Redis does not answer; caching in this process only");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Result<(), StorageError> {
        Err(StorageError::Queue("gone".into()))
    }

    #[test]
    fn after_a_failure_nobody_tries_until_the_pause_is_over_and_then_one_does() {
        let breaker = Breaker::new();
        assert!(breaker.allows() && breaker.allows());
        breaker.note(&failure());
        assert!(!breaker.allows());
        breaker.retry_at.store(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
        assert!(breaker.allows(), "one attempt");
        assert!(!breaker.allows(), "and only one");
        breaker.note(&Ok(()));
        assert!(breaker.allows() && breaker.allows());
    }
}
