//! Ready-made answers, in two layers: in the process, then in Redis.
//!
//! A key holds the generation of its family, which publishing a run moves on (see [`generations`]), so that what was
//! cached before is never found again. Errors are not kept. Every part may fail on its own: without Redis the process
//! still caches, without a known generation answers are computed each time.

mod entry;
mod generations;
mod reply;
mod shared;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt::{Display, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use domain::artifacts::CacheFamily;
use moka::future::Cache;
use settings::CacheSettings;
use storage::StorageError;
use storage::cache::RedisCache;

use crate::error::ApiError;
use entry::{Entry, UntilExpiry};
pub use generations::{Generations, follow};
use shared::Shared;

/// Part of every key, so that a new release never serves bodies that an old one made.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The response cache.
pub struct ResponseCache {
    memory: Cache<String, Arc<Entry>>,
    shared: Shared,
    generations: Arc<Generations>,
    families: [Family; CacheFamily::ALL.len()],
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Family {
    ttl: Duration,
    memory: metrics::Counter,
    redis: metrics::Counter,
    miss: metrics::Counter,
    bypass: metrics::Counter,
}

/// How an answer was come by: `X-Cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Memory,
    Redis,
    Miss,
    Bypass,
}

/// What the cache has done since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
    pub memory_entries: u64,
    pub memory_bytes: u64,
}

impl ResponseCache {
    /// Must be called within a runtime: writes to Redis are a task of their own.
    pub fn new(settings: &CacheSettings, generations: Arc<Generations>) -> Result<Self, StorageError> {
        let memory = Cache::builder()
            .max_capacity(settings.memory_bytes)
            .weigher(|key: &String, entry: &Arc<Entry>| entry.weight(key))
            .expire_after(UntilExpiry)
            .build();
        let redis = RedisCache::new(&settings.url, &settings.prefix)?;
        let families = CacheFamily::ALL.map(|family| {
            let ttl = settings.ttl.iter().find(|(of, _)| *of == family).map_or(Duration::ZERO, |(_, ttl)| *ttl);
            let counter = |result: &'static str| {
                metrics::counter!("cache_requests_total", "family" => family.as_str(), "result" => result)
            };
            Family {
                ttl,
                memory: counter("memory"),
                redis: counter("redis"),
                miss: counter("miss"),
                bypass: counter("bypass"),
            }
        });
        let (hits, misses) = Default::default();
        Ok(Self { memory, shared: Shared::new(redis), generations, families, hits, misses })
    }

    /// Answers `question` (a canonical path with its normalised parameters) from the cache, or by `compute`, which
    /// makes the body. Requests that ask the same at the same time wait for one computation.
    pub async fn answer(
        &self,
        request: &HttpRequest,
        family: CacheFamily,
        question: impl Display,
        compute: impl AsyncFnOnce() -> Result<Bytes, ApiError>,
    ) -> Result<HttpResponse, ApiError> {
        let ttl = self.families[family as usize].ttl;
        // Read before computing: what is computed while a run is published may be of the old one, and must not be kept
        // under the new one's generation.
        let generation = self.generations.get(family).filter(|_| !ttl.is_zero());
        let Some(generation) = generation else {
            let entry = Entry::new(boxed(compute()).await?, Duration::ZERO)?;
            return Ok(self.reply(request, family, &entry, Source::Bypass));
        };
        let key = key(family, generation, question);
        if reply::wants_fresh(request) {
            let entry = Arc::new(Entry::new(boxed(compute()).await?, ttl)?);
            self.refresh(key, &entry).await;
            return Ok(self.reply(request, family, &entry, Source::Bypass));
        }
        if let Some(entry) = self.memory.get(&key).await {
            return Ok(self.reply(request, family, &entry, Source::Memory));
        }
        let (entry, source) = boxed(self.find(&key, ttl, compute)).await?;
        Ok(self.reply(request, family, &entry, source))
    }

    /// What the process does not have: from Redis, or computed.
    async fn find(
        &self,
        key: &String,
        ttl: Duration,
        compute: impl AsyncFnOnce() -> Result<Bytes, ApiError>,
    ) -> Result<(Arc<Entry>, Source), ApiError> {
        let source = Cell::new(Source::Miss);
        let find = async {
            if let Some(entry) = self.shared.get(key, ttl).await {
                source.set(Source::Redis);
                return Ok(Arc::new(entry));
            }
            let entry = Arc::new(Entry::new(compute().await?, ttl)?);
            self.shared.put(key, &entry);
            Ok(entry)
        };
        let entry = self.memory.try_get_with_by_ref(key, find).await.map_err(ApiError::Shared)?;
        Ok((entry, source.get()))
    }

    /// Keeps a freshly computed answer, unless the same one is kept and has half its life ahead: a client that always
    /// sends `no-cache` must not turn each of its reads into a write.
    async fn refresh(&self, key: String, entry: &Arc<Entry>) {
        let kept = self.memory.get(&key).await;
        if kept.is_some_and(|kept| kept.etag == entry.etag && kept.remaining() > entry.ttl / 2) {
            return;
        }
        self.shared.put(&key, entry);
        self.memory.insert(key, entry.clone()).await;
    }

    fn reply(&self, request: &HttpRequest, family: CacheFamily, entry: &Entry, source: Source) -> HttpResponse {
        let counters = &self.families[family as usize];
        let (counter, total) = match source {
            Source::Memory => (&counters.memory, Some(&self.hits)),
            Source::Redis => (&counters.redis, Some(&self.hits)),
            Source::Miss => (&counters.miss, Some(&self.misses)),
            Source::Bypass => (&counters.bypass, None),
        };
        counter.increment(1);
        if let Some(total) = total {
            total.fetch_add(1, Ordering::Relaxed);
        }
        reply::reply(request, entry, source)
    }

    pub fn counts(&self) -> CacheCounts {
        CacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            memory_entries: self.memory.entry_count(),
            memory_bytes: self.memory.weighted_size(),
        }
    }

    /// The shared layer's server, for health.
    pub fn redis(&self) -> &RedisCache {
        self.shared.redis()
    }
}

/// Queries make futures of kilobytes, and actix moves a handler's future several times: on the heap, those that a hit
/// never polls cost it nothing.
fn boxed<F: Future>(future: F) -> Pin<Box<F>> {
    Box::pin(future)
}

fn key(family: CacheFamily, generation: i64, question: impl Display) -> String {
    let mut key = String::with_capacity(96);
    // Writing to a String cannot fail.
    let _ = write!(key, "{RELEASE}:{}:{generation}:{question}", family.as_str());
    key
}
