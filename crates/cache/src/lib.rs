//! A response cache with two tiers: in the process (moka), then in Redis. Both hold serialized answers by key.
//!
//! An entry stores when it was computed and the generation of its family, which publishing a run increments
//! ([`storage::changes`]). Both determine its [`Freshness`]: fresh, aged (served while it is recomputed) or outdated
//! (served only if recomputing fails). Failures are not cached. Every part may fail on its own: without Redis the
//! process still caches, and without the database cached answers are still served.
//!
//! This crate knows neither HTTP nor the questions. It caches the bytes that a [`Compute`] returns for a [`Subject`].

mod answer;
mod entry;
mod families;
mod follow;
mod shared;
mod subject;
#[cfg(test)]
mod tests;
mod touched;
mod warm;

use std::sync::Arc;
use std::time::Duration;

use domain::artifacts::CacheFamily;
use moka::future::Cache;
use settings::CacheSettings;
use storage::StorageError;
use storage::cache::RedisCache;
use storage::changes::{ChangeFeed, Generation};

use entry::UntilUseless;
use families::Families;
use shared::Shared;
use touched::Touched;
use warm::Warming;

pub use answer::{Answer, Source};
pub use entry::{Entry, Times};
pub use families::{CacheCounts, FamilyCounts};
pub use subject::{Compute, Failure, Live, Subject, ViewerKey, Visibility};

/// Time for which the outdated answer is served without another attempt after a computation has failed: while the
/// database is unreachable, each reader would otherwise wait for its time-out.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Maximum number of concurrent computations, and of failures that are remembered.
const FLIGHTS_MAX: u64 = 10_000;

/// The response cache of one process. `E` is the error type of computations.
pub struct ResponseCache<E> {
    memory: Cache<String, Arc<Entry<E>>>,
    /// Computations that several callers wait for.
    flights: Cache<String, Arc<Entry<E>>>,
    /// Keys whose computation failed within [`FAILURE_PAUSE`].
    failing: Cache<String, ()>,
    shared: Shared<E>,
    feed: Arc<ChangeFeed>,
    touched: Touched,
    families: Families,
    warming: Warming,
}

/// What an entry may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Fresh,
    /// Serve it, and recompute it in the background.
    Aged,
    /// To be computed anew, and returned if that fails.
    Outdated,
}

/// State of the in-process entry of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek {
    Absent,
    Fresh { age: Duration, generation: i64 },
    Stale { age: Duration, generation: i64 },
}

impl<E: Failure> ResponseCache<E> {
    /// Creates the cache. It must be called within a runtime, because a task writes to Redis.
    ///
    /// # Errors
    /// The URL of Redis is malformed.
    pub fn new(settings: &CacheSettings, feed: Arc<ChangeFeed>) -> Result<Self, StorageError> {
        let memory = Cache::builder()
            .max_capacity(settings.memory_bytes)
            .weigher(|key: &String, entry: &Arc<Entry<E>>| entry.weight(key))
            .expire_after(UntilUseless)
            .support_invalidation_closures()
            .build();
        let longest = CacheFamily::ALL.map(|family| settings.ttl_of(family)).into_iter().max();
        Ok(Self {
            memory,
            // Entries are removed when the computation ends; the TTL removes one whose callers have all been cancelled.
            flights: Cache::builder().max_capacity(FLIGHTS_MAX).time_to_live(FAILURE_PAUSE).build(),
            failing: Cache::builder().max_capacity(FLIGHTS_MAX).time_to_live(FAILURE_PAUSE).build(),
            shared: Shared::new(RedisCache::new(&settings.url, &settings.prefix)?),
            feed,
            touched: Touched::new(longest.unwrap_or_default()),
            families: Families::new(settings),
            warming: Warming::new(settings.warm),
        })
    }

    fn freshness(&self, entry: &Entry<E>, subject: &Subject) -> Freshness {
        let (age, times) = (entry.age(), &entry.times);
        match self.feed.generation(subject.family) {
            // Without the database, whether the answer is current is unknown, and recomputing would fail.
            Generation::Last(_) | Generation::Unknown => Freshness::Aged,
            Generation::Current(generation) if generation != entry.generation => Freshness::Outdated,
            Generation::Current(_) if self.touched.outdates(subject.live, entry.created_at, age) => Freshness::Outdated,
            Generation::Current(_) if age < times.fresh => Freshness::Fresh,
            Generation::Current(_) if age < times.fresh + times.while_revalidate => Freshness::Aged,
            Generation::Current(_) => Freshness::Outdated,
        }
    }

    /// Returns the state of this process's entry for a subject, without computing and without asking Redis.
    pub async fn peek(&self, subject: &Subject) -> Peek {
        let Some(entry) = self.memory.get(&subject.key).await else { return Peek::Absent };
        let (age, generation) = (entry.age(), entry.generation);
        match self.freshness(&entry, subject) {
            Freshness::Fresh => Peek::Fresh { age, generation },
            Freshness::Aged | Freshness::Outdated => Peek::Stale { age, generation },
        }
    }

    /// Removes a family's answers from this process, stale ones included.
    pub fn purge(&self, family: CacheFamily) {
        let prefix = subject::prefix(family);
        if let Err(error) = self.memory.invalidate_entries_if(move |key, _| key.starts_with(&prefix)) {
            tracing::error!(%error, family = family.as_str(), "cannot purge the family's cached answers");
        }
    }

    /// Removes a family's answers from the tier that all processes share; returns their number.
    ///
    /// # Errors
    /// Redis is unreachable.
    pub async fn purge_shared(&self, family: CacheFamily) -> Result<u64, StorageError> {
        self.redis().remove_under(&subject::prefix(family)).await
    }

    /// Outdates every answer that counts live facts. Called when the lag crosses its limit, because these answers
    /// report whether the speed layer is stale.
    pub fn outdate_live(&self) {
        self.touched.outdate();
    }

    /// Outdates answers about all movies that were computed before the in-process copy of the live facts had applied
    /// all changes received so far.
    pub fn caught_up(&self) {
        self.touched.caught_up();
    }

    /// Returns hits, misses and size since the process started.
    pub fn counts(&self) -> CacheCounts {
        self.families.counts(self.memory.entry_count(), self.memory.weighted_size())
    }

    /// Returns hits and misses of each family since the process started.
    pub fn family_counts(&self) -> [FamilyCounts; CacheFamily::ALL.len()] {
        self.families.each()
    }

    /// Returns the client of the shared tier, for health checks.
    pub fn redis(&self) -> &RedisCache {
        self.shared.redis()
    }
}
