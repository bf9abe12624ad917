//! Ready-made answers by key, in two tiers: in the process (moka), then in Redis.
//!
//! An entry knows the generation of its family, which publishing a run moves on ([`storage::changes`]), and when it was
//! computed. From both follows its [`Freshness`]: fresh, aged (returned while it is computed anew) or outdated (returned only
//! if computing fails). Failures are not kept. Every part may fail on its own: without Redis the process still caches,
//! without the database what was asked before is still answered.
//!
//! This crate knows neither HTTP nor the questions: what is cached is a [`Subject`] and whatever can [`Compute`] its bytes.

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
pub use subject::{Compute, Failure, Live, Subject, Visibility};

/// After a computation has failed, its outdated answer is returned without another try for this long: while the database is
/// away, readers would otherwise wait for its time-out, one after another.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Computations under way, and failures remembered.
const FLIGHTS_MAX: u64 = 10_000;

/// The response cache of one process; `E` is why a computation failed.
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

/// What an entry is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Fresh,
    /// To be returned, and computed anew meanwhile.
    Aged,
    /// To be computed anew, and returned if that fails.
    Outdated,
}

/// What the process holds for a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek {
    Absent,
    Fresh { age: Duration, generation: i64 },
    Stale { age: Duration, generation: i64 },
}

impl<E: Failure> ResponseCache<E> {
    /// Must be called within a runtime: writes to Redis are a task of their own.
    ///
    /// # Errors
    /// A malformed URL of Redis.
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
            // Forgotten when done; the time is for one whose callers all gave up at that moment.
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
            // Nobody can tell whether it is still right, nor compute it anew in time.
            Generation::Last(_) | Generation::Unknown => Freshness::Aged,
            Generation::Current(generation) if generation != entry.generation => Freshness::Outdated,
            Generation::Current(_) if self.touched.outdates(subject.live, entry.created_at, age) => Freshness::Outdated,
            Generation::Current(_) if age < times.fresh => Freshness::Fresh,
            Generation::Current(_) if age < times.fresh + times.while_revalidate => Freshness::Aged,
            Generation::Current(_) => Freshness::Outdated,
        }
    }

    /// What this process holds for a subject; computes nothing and asks nobody.
    pub async fn peek(&self, subject: &Subject) -> Peek {
        let Some(entry) = self.memory.get(&subject.key).await else { return Peek::Absent };
        let (age, generation) = (entry.age(), entry.generation);
        match self.freshness(&entry, subject) {
            Freshness::Fresh => Peek::Fresh { age, generation },
            Freshness::Aged | Freshness::Outdated => Peek::Stale { age, generation },
        }
    }

    /// Forgets a family's answers in this process, stale ones too.
    pub fn purge(&self, family: CacheFamily) {
        let prefix = subject::prefix(family);
        if let Err(error) = self.memory.invalidate_entries_if(move |key, _| key.starts_with(&prefix)) {
            tracing::error!(%error, family = family.as_str(), "the family's cached answers cannot be purged");
        }
    }

    /// Forgets a family's answers in the tier that all processes share; returns how many there were.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn purge_shared(&self, family: CacheFamily) -> Result<u64, StorageError> {
        self.redis().remove_under(&subject::prefix(family)).await
    }

    /// Outdates every answer that counts live facts, though no movie's have changed: what all of them say of the speed layer
    /// is not right any more.
    pub fn outdate_live(&self) {
        self.touched.outdate();
    }

    /// The process's own copy of the live facts has caught up with what was told: answers about all movies that were computed
    /// from it before, though after the telling, count less than is known now.
    pub fn caught_up(&self) {
        self.touched.caught_up();
    }

    /// Hits, misses and size since the process started.
    pub fn counts(&self) -> CacheCounts {
        self.families.counts(self.memory.entry_count(), self.memory.weighted_size())
    }

    /// Hits and misses of each family since the process started.
    pub fn family_counts(&self) -> [FamilyCounts; CacheFamily::ALL.len()] {
        self.families.each()
    }

    /// The shared tier's server, for health.
    pub fn redis(&self) -> &RedisCache {
        self.shared.redis()
    }
}
