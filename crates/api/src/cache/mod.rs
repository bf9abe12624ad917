//! Ready-made answers, in two layers: in the process, then in Redis.
//!
//! An entry knows the generation of its family, which publishing a run moves on (see [`generations`]), and when it was
//! computed. From both follows whether it is fresh, aged (given while it is computed anew) or outdated (given only where
//! computing fails). Failures are not kept. Every part may fail on its own: without Redis the process still caches,
//! without the database what was asked before is still answered.

mod entry;
mod generations;
mod question;
mod reply;
mod shared;
#[cfg(test)]
mod tests;
mod touched;
mod warm;

use std::cell::Cell;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::artifacts::CacheFamily;
use moka::future::Cache;
use settings::CacheSettings;
use storage::StorageError;
use storage::cache::RedisCache;

use crate::State;
use crate::error::ApiError;
use crate::export;
use entry::{Entry, Times, UntilUseless, now};
pub use generations::{Generation, Generations, follow};
use question::{Ask, Asked};
pub use question::{Live, Question};
use shared::Shared;
pub use touched::{Touch, Touched};
use warm::Warming;
pub use warm::warm;

/// Part of every key, so that a new release never serves bodies that an old one made.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// After a computation has failed, its outdated answer is given without another try for this long: where the database is
/// away, readers would otherwise wait for its time-out, one after another.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Computations under way, and failures remembered.
const FLIGHTS_MAX: u64 = 10_000;

/// The response cache.
pub struct ResponseCache {
    memory: Cache<String, Arc<Entry>>,
    /// Computations that several requests wait for.
    flights: Cache<String, Arc<Entry>>,
    /// Keys whose computation has failed a moment ago.
    failing: Cache<String, ()>,
    shared: Shared,
    generations: Arc<Generations>,
    touched: Arc<Touched>,
    families: [Family; CacheFamily::ALL.len()],
    warming: Warming,
}

struct Family {
    times: Times,
    memory: metrics::Counter,
    redis: metrics::Counter,
    stale: metrics::Counter,
    miss: metrics::Counter,
    bypass: metrics::Counter,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How an answer was come by: `X-Cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Memory,
    Redis,
    /// From either, beyond its time.
    Stale,
    Miss,
    Bypass,
}

/// What an entry is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fresh,
    /// To be given, and computed anew meanwhile.
    Aged,
    /// To be computed anew, and given if that fails.
    Outdated,
}

/// What the cache has done since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
    pub memory_entries: u64,
    pub memory_bytes: u64,
}

/// The same, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyCounts {
    pub family: CacheFamily,
    pub ttl: Duration,
    pub hits: u64,
    pub misses: u64,
}

/// What the cache holds for a question, for those who ask how they were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Absent,
    Fresh { age: Duration, generation: i64 },
    Stale { age: Duration, generation: i64 },
}

/// A question as the cache sees it.
#[derive(Debug, Clone)]
struct Subject {
    family: CacheFamily,
    key: String,
    live: Live,
}

impl Subject {
    fn of<Q: Question>(question: &Q) -> Result<Self, ApiError> {
        Ok(Self { family: Q::FAMILY, key: key(Q::FAMILY, &question.key()?), live: question.live() })
    }
}

/// Answers a question from the cache, or has it computed; as a table where the client wants one.
pub async fn answer<Q: Question>(
    state: &Data<State>,
    request: &HttpRequest,
    question: Q,
) -> Result<HttpResponse, ApiError> {
    if let Some(wanted) = export::wanted(request)?
        && (Q::IS_LIST || wanted.insisted)
    {
        return Ok(question.table(Arc::clone(state), wanted.whole).await?.respond(wanted.format));
    }
    let (subject, cached) = (Subject::of(&question)?, question.cached());
    let ask = || Arc::new(Asked::new(question, state)) as Arc<dyn Ask>;
    if cached {
        state.cache.answer(request, subject, ask).await
    } else {
        state.cache.bypass(request, subject, ask()).await
    }
}

impl ResponseCache {
    /// Must be called within a runtime: writes to Redis are a task of their own.
    pub fn new(
        settings: &CacheSettings,
        generations: Arc<Generations>,
        touched: Arc<Touched>,
    ) -> Result<Self, StorageError> {
        let memory = Cache::builder()
            .max_capacity(settings.memory_bytes)
            .weigher(|key: &String, entry: &Arc<Entry>| entry.weight(key))
            .expire_after(UntilUseless)
            .support_invalidation_closures()
            .build();
        let families = CacheFamily::ALL.map(|family| {
            let fresh = settings.ttl_of(family);
            let counter = |result: &'static str| {
                metrics::counter!("cache_requests_total", "family" => family.as_str(), "result" => result)
            };
            Family {
                times: Times {
                    fresh,
                    while_revalidate: settings.stale_while_revalidate,
                    if_error: settings.stale_if_error,
                },
                memory: counter("memory"),
                redis: counter("redis"),
                stale: counter("stale"),
                miss: counter("miss"),
                bypass: counter("bypass"),
                hits: AtomicU64::new(0),
                misses: AtomicU64::new(0),
            }
        });
        Ok(Self {
            memory,
            // Forgotten when done; the time is for one whose requests were all given up at that moment.
            flights: Cache::builder().max_capacity(FLIGHTS_MAX).time_to_live(FAILURE_PAUSE).build(),
            failing: Cache::builder().max_capacity(FLIGHTS_MAX).time_to_live(FAILURE_PAUSE).build(),
            shared: Shared::new(RedisCache::new(&settings.url, &settings.prefix)?),
            generations,
            touched,
            families,
            warming: Warming::new(settings.warm),
        })
    }

    async fn answer(
        self: &Arc<Self>,
        request: &HttpRequest,
        subject: Subject,
        ask: impl FnOnce() -> Arc<dyn Ask>,
    ) -> Result<HttpResponse, ApiError> {
        if self.times(subject.family).fresh.is_zero() {
            return self.bypass(request, subject, ask()).await;
        }
        if reply::wants_fresh(request) {
            let entry = self.compute(&subject, ask()).await?;
            return Ok(self.reply(request, subject.family, &entry, Source::Bypass));
        }
        let kept = self.memory.get(&subject.key).await;
        if let Some(entry) = &kept {
            match self.judge(entry, &subject) {
                Verdict::Fresh => return Ok(self.reply(request, subject.family, entry, Source::Memory)),
                Verdict::Aged => {
                    self.refresh_soon(&subject, entry);
                    return Ok(self.reply(request, subject.family, entry, Source::Stale));
                }
                Verdict::Outdated if self.failing.contains_key(&subject.key) => {
                    return Ok(self.reply(request, subject.family, entry, Source::Stale));
                }
                Verdict::Outdated => {}
            }
        }
        let (entry, source) = self.find(&subject, kept, ask()).await?;
        Ok(self.reply(request, subject.family, &entry, source))
    }

    /// Answers without looking at what is kept, and keeps nothing.
    async fn bypass(
        &self,
        request: &HttpRequest,
        subject: Subject,
        ask: Arc<dyn Ask>,
    ) -> Result<HttpResponse, ApiError> {
        let entry = Entry::new(ask.ask().await?, Times::NONE, 0, now(), ask)?;
        Ok(self.reply(request, subject.family, &entry, Source::Bypass))
    }

    fn judge(&self, entry: &Entry, subject: &Subject) -> Verdict {
        let (age, times) = (entry.age(), &entry.times);
        match self.generations.get(subject.family) {
            // Nobody can tell whether it is still right, nor compute it anew in time.
            Generation::Last(_) | Generation::Unknown => Verdict::Aged,
            Generation::Current(generation) if generation != entry.generation => Verdict::Outdated,
            Generation::Current(_) if self.touched.outdates(subject.live, entry.created_at, age) => Verdict::Outdated,
            Generation::Current(_) if age < times.fresh => Verdict::Fresh,
            Generation::Current(_) if age < times.fresh + times.while_revalidate => Verdict::Aged,
            Generation::Current(_) => Verdict::Outdated,
        }
    }

    /// What the process does not have, or not fresh: from Redis, or computed. Requests that ask the same at the same time
    /// wait for one computation.
    async fn find(
        self: &Arc<Self>,
        subject: &Subject,
        kept: Option<Arc<Entry>>,
        ask: Arc<dyn Ask>,
    ) -> Result<(Arc<Entry>, Source), ApiError> {
        let source = Cell::new(Source::Miss);
        let fly = async {
            // Another process may have computed it meanwhile.
            let newer = |entry: &Entry| kept.as_ref().is_none_or(|kept| entry.created_at > kept.created_at);
            let shared = self.shared.get(&subject.key, self.times(subject.family), &ask).await;
            if let Some(entry) = shared.filter(newer).map(Arc::new) {
                self.memory.insert(subject.key.clone(), entry.clone()).await;
                match self.judge(&entry, subject) {
                    Verdict::Fresh => {
                        source.set(Source::Redis);
                        return Ok(entry);
                    }
                    Verdict::Aged => {
                        source.set(Source::Stale);
                        self.refresh_soon(subject, &entry);
                        return Ok(entry);
                    }
                    Verdict::Outdated => {}
                }
            }
            self.compute(subject, ask.clone()).await
        };
        let flight = self.flight(subject, kept.as_deref());
        match self.fly(flight, fly).await {
            Ok(entry) if entry.times == Times::NONE => Ok((entry, Source::Bypass)),
            Ok(entry) => Ok((entry, source.get())),
            Err(error) if error.is_ours() => {
                // Found by this request, or in Redis by the one that computed.
                let Some(kept) = self.memory.get(&subject.key).await.or(kept) else {
                    return Err(ApiError::Shared(error));
                };
                tracing::debug!(key = subject.key, %error, "answered with what was kept");
                self.failing.insert(subject.key.clone(), ()).await;
                Ok((kept, Source::Stale))
            }
            Err(error) => {
                // It is no more, or nobody may have it: what was kept is not to be given again.
                self.memory.invalidate(&subject.key).await;
                Err(ApiError::Shared(error))
            }
        }
    }

    /// Whoever finds another entry outdated, or under another generation, starts a computation of its own.
    fn flight(&self, subject: &Subject, kept: Option<&Entry>) -> String {
        let (generation, created_at) = (self.generations.get(subject.family), kept.map_or(0, |entry| entry.created_at));
        format!("{}@{generation:?}.{created_at}", subject.key)
    }

    /// One computation for all who ask under the same name, which is forgotten when it is done.
    async fn fly(
        &self,
        name: String,
        computation: impl Future<Output = Result<Arc<Entry>, ApiError>>,
    ) -> Result<Arc<Entry>, Arc<ApiError>> {
        let outcome = self.flights.try_get_with_by_ref(&name, computation).await;
        if outcome.is_ok() {
            self.flights.invalidate(&name).await;
        }
        outcome
    }

    /// Computes an answer and keeps it.
    async fn compute(&self, subject: &Subject, ask: Arc<dyn Ask>) -> Result<Arc<Entry>, ApiError> {
        // Both read before computing: what is computed while a run is published may be of the old one.
        let (created_at, generation) = (now(), self.generations.get(subject.family));
        let body = ask.ask().await?;
        let (times, generation) = match generation {
            Generation::Current(generation) | Generation::Last(generation) => (self.times(subject.family), generation),
            Generation::Unknown => (Times::NONE, 0),
        };
        let entry = Arc::new(Entry::new(body, times, generation, created_at, ask)?);
        if generation != 0 {
            self.keep(subject, &entry).await;
        }
        Ok(entry)
    }

    /// Keeps an answer, unless the same one is kept and has half its life ahead: a client that always sends `no-cache`
    /// must not turn each of its reads into a write.
    async fn keep(&self, subject: &Subject, entry: &Arc<Entry>) {
        if let Some(before) = self.memory.get(&subject.key).await {
            let young = before.age() < entry.times.fresh / 2;
            if young && before.etag == entry.etag && self.judge(&before, subject) == Verdict::Fresh {
                return;
            }
            entry.succeeds(&before);
        }
        self.shared.put(&subject.key, entry);
        self.memory.insert(subject.key.clone(), entry.clone()).await;
    }

    /// Has an answer computed anew that is given out meanwhile.
    fn refresh_soon(self: &Arc<Self>, subject: &Subject, entry: &Arc<Entry>) {
        // One at a time, and after a failure a pause.
        if self.failing.contains_key(&subject.key) || !entry.begin_refresh() {
            return;
        }
        let (cache, subject, entry) = (self.clone(), subject.clone(), entry.clone());
        tokio::spawn(async move {
            cache.refresh(&subject, &entry).await;
            entry.end_refresh();
        });
    }

    async fn refresh(&self, subject: &Subject, entry: &Entry) {
        let flight = self.flight(subject, Some(entry));
        if let Err(error) = self.fly(flight, self.compute(subject, entry.ask.clone())).await {
            if error.is_ours() {
                tracing::debug!(key = subject.key, %error, "could not be computed anew");
                self.failing.insert(subject.key.clone(), ()).await;
            } else {
                self.memory.invalidate(&subject.key).await;
            }
        }
    }

    /// Forgets a family's answers in this process, stale ones too.
    pub fn purge(&self, family: CacheFamily) {
        let prefix = key(family, "");
        if let Err(error) = self.memory.invalidate_entries_if(move |key, _| key.starts_with(&prefix)) {
            tracing::error!(%error, family = family.as_str(), "the family's cached answers cannot be purged");
        }
    }

    /// Forgets a family's answers in the layer that all processes share; answers how many there were.
    pub async fn purge_shared(&self, family: CacheFamily) -> Result<u64, StorageError> {
        self.redis().remove_under(&key(family, "")).await
    }

    /// What is held for a question, without asking it.
    pub async fn look<Q: Question>(&self, question: &Q) -> Result<Kept, ApiError> {
        let subject = Subject::of(question)?;
        let Some(entry) = self.memory.get(&subject.key).await else { return Ok(Kept::Absent) };
        let (age, generation) = (entry.age(), entry.generation);
        Ok(match self.judge(&entry, &subject) {
            Verdict::Fresh => Kept::Fresh { age, generation },
            Verdict::Aged | Verdict::Outdated => Kept::Stale { age, generation },
        })
    }

    fn times(&self, family: CacheFamily) -> Times {
        self.families[family as usize].times
    }

    fn reply(&self, request: &HttpRequest, family: CacheFamily, entry: &Entry, source: Source) -> HttpResponse {
        let counters = &self.families[family as usize];
        let (counter, total) = match source {
            Source::Memory => (&counters.memory, Some(&counters.hits)),
            Source::Redis => (&counters.redis, Some(&counters.hits)),
            Source::Stale => (&counters.stale, Some(&counters.hits)),
            Source::Miss => (&counters.miss, Some(&counters.misses)),
            Source::Bypass => (&counters.bypass, None),
        };
        counter.increment(1);
        if let Some(total) = total {
            total.fetch_add(1, Ordering::Relaxed);
            entry.hit();
        }
        reply::reply(request, entry, source)
    }

    pub fn counts(&self) -> CacheCounts {
        let sum = |of: fn(&Family) -> &AtomicU64| self.families.iter().map(|f| of(f).load(Ordering::Relaxed)).sum();
        CacheCounts {
            hits: sum(|family| &family.hits),
            misses: sum(|family| &family.misses),
            memory_entries: self.memory.entry_count(),
            memory_bytes: self.memory.weighted_size(),
        }
    }

    pub fn family_counts(&self) -> [FamilyCounts; CacheFamily::ALL.len()] {
        CacheFamily::ALL.map(|family| {
            let of = &self.families[family as usize];
            let (hits, misses) = (of.hits.load(Ordering::Relaxed), of.misses.load(Ordering::Relaxed));
            FamilyCounts { family, ttl: of.times.fresh, hits, misses }
        })
    }

    /// The shared layer's server, for health.
    pub fn redis(&self) -> &RedisCache {
        self.shared.redis()
    }
}

fn key(family: CacheFamily, question: &str) -> String {
    let mut key = String::with_capacity(96);
    // Writing to a String cannot fail.
    let _ = write!(key, "{RELEASE}:{}:{question}", family.as_str());
    key
}
