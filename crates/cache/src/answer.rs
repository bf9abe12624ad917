//! Answers a subject: from the cache, or by one computation that concurrent callers share.

use std::cell::Cell;
use std::sync::Arc;

use storage::changes::Generation;

use crate::entry::{Entry, Times, now};
use crate::subject::{Compute, Failure, Subject};
use crate::{Freshness, ResponseCache};

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Memory,
    Redis,
    /// From either tier, after its TTL.
    Stale,
    Miss,
    /// Computed for this caller without a look-up.
    Bypass,
}

/// A cache entry and where it comes from.
pub struct Answer<E> {
    pub entry: Arc<Entry<E>>,
    pub source: Source,
}

impl<E: Failure> ResponseCache<E> {
    /// Returns this process's answer for a subject, if it may be served at once. It is apart from [`Self::answer`], whose
    /// future takes kilobytes and wants a computation.
    pub async fn hit(self: &Arc<Self>, subject: &Subject) -> Option<Answer<E>> {
        let entry = self.memory.get(&subject.key).await?;
        let source = match self.freshness(&entry, subject) {
            Freshness::Fresh => Source::Memory,
            Freshness::Aged => {
                self.refresh_soon(subject, &entry);
                Source::Stale
            }
            Freshness::Outdated if self.failing.contains_key(&subject.key) => Source::Stale,
            Freshness::Outdated => return None,
        };
        Some(self.counted(subject, entry, source))
    }

    /// Returns the answer for a subject, from either tier or computed. With `fresh` the caller accepts no cached answer.
    ///
    /// # Errors
    /// The computation failed and no cached answer can be served instead.
    pub async fn answer(
        self: &Arc<Self>,
        subject: &Subject,
        fresh: bool,
        compute: Arc<dyn Compute<E>>,
    ) -> Result<Answer<E>, Arc<E>> {
        if self.families.times(subject.family).fresh.is_zero() {
            return self.bypass(subject, compute).await;
        }
        if fresh {
            let entry = self.compute(subject, compute).await?;
            return Ok(self.counted(subject, entry, Source::Bypass));
        }
        if let Some(hit) = self.hit(subject).await {
            return Ok(hit);
        }
        let kept = self.memory.get(&subject.key).await;
        if let Some(entry) = kept.as_ref().filter(|_| !compute.is_ready()) {
            return Ok(self.counted(subject, entry.clone(), Source::Stale));
        }
        let (entry, source) = self.find(subject, kept, compute).await?;
        Ok(self.counted(subject, entry, source))
    }

    /// Computes the answer without look-up, and does not cache it.
    ///
    /// # Errors
    /// The computation failed.
    pub async fn bypass(&self, subject: &Subject, compute: Arc<dyn Compute<E>>) -> Result<Answer<E>, Arc<E>> {
        let body = compute.compute().await?;
        let entry = Arc::new(Entry::new(body, Times::NONE, 0, now(), compute));
        Ok(self.counted(subject, entry, Source::Bypass))
    }

    fn counted(&self, subject: &Subject, entry: Arc<Entry<E>>, source: Source) -> Answer<E> {
        if self.families.count(subject.family, source) {
            entry.hit();
        }
        Answer { entry, source }
    }

    /// Finds an answer that memory does not have, or not fresh: in Redis, or by computing it. Concurrent callers share
    /// one computation (single-flight).
    async fn find(
        self: &Arc<Self>,
        subject: &Subject,
        kept: Option<Arc<Entry<E>>>,
        compute: Arc<dyn Compute<E>>,
    ) -> Result<(Arc<Entry<E>>, Source), Arc<E>> {
        let source = Cell::new(Source::Miss);
        let flight = async {
            // Another process may have computed a newer one meanwhile.
            let newer = |entry: &Entry<E>| kept.as_ref().is_none_or(|kept| entry.created_at > kept.created_at);
            let shared = self.shared.get(&subject.key, self.families.times(subject.family), &compute).await;
            if let Some(entry) = shared.filter(newer).map(Arc::new) {
                self.memory.insert(subject.key.clone(), entry.clone()).await;
                match self.freshness(&entry, subject) {
                    Freshness::Fresh => {
                        source.set(Source::Redis);
                        return Ok(entry);
                    }
                    Freshness::Aged => {
                        source.set(Source::Stale);
                        self.refresh_soon(subject, &entry);
                        return Ok(entry);
                    }
                    Freshness::Outdated if !compute.is_ready() => {
                        source.set(Source::Stale);
                        return Ok(entry);
                    }
                    Freshness::Outdated => {}
                }
            }
            self.compute(subject, compute.clone()).await
        };
        match self.single_flight(self.flight_key(subject, kept.as_deref()), flight).await {
            Ok(entry) if entry.times == Times::NONE => Ok((entry, Source::Bypass)),
            Ok(entry) => Ok((entry, source.get())),
            Err(error) if error.is_ours() => {
                // Either this caller has found an older entry, or the caller that computed has found one in Redis.
                let Some(kept) = self.memory.get(&subject.key).await.or(kept) else { return Err(error) };
                tracing::debug!(key = subject.key, %error, "computation failed; serving the cached answer");
                self.failing.insert(subject.key.clone(), ()).await;
                Ok((kept, Source::Stale))
            }
            Err(error) => {
                // The answer no longer exists or is no longer permitted, so the cached one must not be served again.
                self.memory.invalidate(&subject.key).await;
                Err(error)
            }
        }
    }

    /// Key of a computation. Callers that hold a different outdated entry, or expect another generation, start a
    /// computation of their own.
    fn flight_key(&self, subject: &Subject, kept: Option<&Entry<E>>) -> String {
        let generation = self.feed.generation(subject.family);
        format!("{}@{generation:?}.{}", subject.key, kept.map_or(0, |entry| entry.created_at))
    }

    /// Runs one computation for all callers with the same key; its result is dropped from the map when it is done.
    async fn single_flight(
        &self,
        key: String,
        computation: impl Future<Output = Result<Arc<Entry<E>>, Arc<E>>>,
    ) -> Result<Arc<Entry<E>>, Arc<E>> {
        let outcome = self.flights.try_get_with_by_ref(&key, computation).await;
        if outcome.is_ok() {
            self.flights.invalidate(&key).await;
        }
        outcome.map_err(Arc::unwrap_or_clone)
    }

    /// Computes an answer and caches it.
    async fn compute(&self, subject: &Subject, compute: Arc<dyn Compute<E>>) -> Result<Arc<Entry<E>>, Arc<E>> {
        // Both are read before computing: an answer that is computed while a run is published may belong to the old
        // run.
        let (created_at, generation) = (now(), self.feed.generation(subject.family));
        let body = compute.compute().await?;
        let (times, generation) = match generation {
            Generation::Current(generation) | Generation::Last(generation) => {
                (self.families.times(subject.family), generation)
            }
            Generation::Unknown => (Times::NONE, 0),
        };
        let entry = Arc::new(Entry::new(body, times, generation, created_at, compute));
        if generation != 0 {
            self.keep(subject, &entry).await;
        }
        Ok(entry)
    }

    /// Caches an answer, unless the cache has the same one with at least half of its TTL left: a client that always
    /// requests fresh answers must not turn each of its reads into a write.
    async fn keep(&self, subject: &Subject, entry: &Arc<Entry<E>>) {
        if let Some(before) = self.memory.get(&subject.key).await {
            let young = before.age() < entry.times.fresh / 2;
            if young && before.etag == entry.etag && self.freshness(&before, subject) == Freshness::Fresh {
                return;
            }
            entry.succeeds(&before);
        }
        self.shared.put(&subject.key, entry);
        self.memory.insert(subject.key.clone(), entry.clone()).await;
    }

    /// Recomputes, in the background, an answer that is served stale meanwhile.
    fn refresh_soon(self: &Arc<Self>, subject: &Subject, entry: &Arc<Entry<E>>) {
        // At most one refresh per entry, with a pause after a failure.
        if self.failing.contains_key(&subject.key) || !entry.begin_refresh() {
            return;
        }
        let (cache, subject, entry) = (self.clone(), subject.clone(), entry.clone());
        tokio::spawn(async move {
            cache.refresh(&subject, &entry).await;
            entry.end_refresh();
        });
    }

    pub(crate) async fn refresh(&self, subject: &Subject, entry: &Entry<E>) {
        let computation = self.compute(subject, entry.compute.clone());
        if let Err(error) = self.single_flight(self.flight_key(subject, Some(entry)), computation).await {
            if error.is_ours() {
                tracing::debug!(key = subject.key, %error, "background refresh failed");
                self.failing.insert(subject.key.clone(), ()).await;
            } else {
                self.memory.invalidate(&subject.key).await;
            }
        }
    }
}
