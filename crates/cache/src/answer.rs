//! From a subject to an answer: kept, shared, or computed once for all who wait.

use std::cell::Cell;
use std::sync::Arc;

use storage::changes::Generation;

use crate::entry::{Entry, Times, now};
use crate::subject::{Compute, Failure, Subject};
use crate::{Freshness, ResponseCache};

/// How an answer was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Memory,
    Redis,
    /// From either, beyond its time.
    Stale,
    Miss,
    /// Computed for this caller, and not looked for.
    Bypass,
}

/// An entry, and how it was come by.
pub struct Answer<E> {
    pub entry: Arc<Entry<E>>,
    pub source: Source,
}

impl<E: Failure> ResponseCache<E> {
    /// The answer for a subject, from either tier or computed by what `compute` makes. `fresh`: the caller takes no answer
    /// of before.
    ///
    /// # Errors
    /// The computation's, where nothing is kept that could be returned instead.
    pub async fn answer(
        self: &Arc<Self>,
        subject: &Subject,
        fresh: bool,
        compute: impl FnOnce() -> Arc<dyn Compute<E>>,
    ) -> Result<Answer<E>, Arc<E>> {
        if self.families.times(subject.family).fresh.is_zero() {
            return self.bypass(subject, compute()).await;
        }
        if fresh {
            let entry = self.compute(subject, compute()).await?;
            return Ok(self.counted(subject, entry, Source::Bypass));
        }
        let kept = self.memory.get(&subject.key).await;
        if let Some(entry) = &kept {
            match self.freshness(entry, subject) {
                Freshness::Fresh => return Ok(self.counted(subject, entry.clone(), Source::Memory)),
                Freshness::Aged => {
                    self.refresh_soon(subject, entry);
                    return Ok(self.counted(subject, entry.clone(), Source::Stale));
                }
                Freshness::Outdated if self.failing.contains_key(&subject.key) => {
                    return Ok(self.counted(subject, entry.clone(), Source::Stale));
                }
                Freshness::Outdated => {}
            }
        }
        let (entry, source) = self.find(subject, kept, compute()).await?;
        Ok(self.counted(subject, entry, source))
    }

    /// Computes without looking at what is kept, and keeps nothing.
    ///
    /// # Errors
    /// The computation's.
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

    /// What the process does not have, or not fresh: from Redis, or computed. Callers that ask the same at the same time wait
    /// for one computation.
    async fn find(
        self: &Arc<Self>,
        subject: &Subject,
        kept: Option<Arc<Entry<E>>>,
        compute: Arc<dyn Compute<E>>,
    ) -> Result<(Arc<Entry<E>>, Source), Arc<E>> {
        let source = Cell::new(Source::Miss);
        let flight = async {
            // Another process may have computed it meanwhile.
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
                    Freshness::Outdated => {}
                }
            }
            self.compute(subject, compute.clone()).await
        };
        match self.single_flight(self.flight_key(subject, kept.as_deref()), flight).await {
            Ok(entry) if entry.times == Times::NONE => Ok((entry, Source::Bypass)),
            Ok(entry) => Ok((entry, source.get())),
            Err(error) if error.is_ours() => {
                // Found by this caller, or in Redis by the one that computed.
                let Some(kept) = self.memory.get(&subject.key).await.or(kept) else { return Err(error) };
                tracing::debug!(key = subject.key, %error, "answered with what was kept");
                self.failing.insert(subject.key.clone(), ()).await;
                Ok((kept, Source::Stale))
            }
            Err(error) => {
                // It is no more, or nobody may have it: what was kept must not be returned again.
                self.memory.invalidate(&subject.key).await;
                Err(error)
            }
        }
    }

    /// Whoever finds another entry outdated, or under another generation, starts a computation of its own.
    fn flight_key(&self, subject: &Subject, kept: Option<&Entry<E>>) -> String {
        let generation = self.feed.generation(subject.family);
        format!("{}@{generation:?}.{}", subject.key, kept.map_or(0, |entry| entry.created_at))
    }

    /// One computation for all who ask under the same key, which is forgotten when it is done.
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

    /// Computes an answer and keeps it.
    async fn compute(&self, subject: &Subject, compute: Arc<dyn Compute<E>>) -> Result<Arc<Entry<E>>, Arc<E>> {
        // Both read before computing: what is computed while a run is published may be of the old one.
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

    /// Keeps an answer, unless the same one is kept and has half its life ahead: a client that always asks for a fresh answer
    /// must not turn each of its reads into a write.
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

    /// Has an answer computed anew that is returned meanwhile.
    fn refresh_soon(self: &Arc<Self>, subject: &Subject, entry: &Arc<Entry<E>>) {
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

    pub(crate) async fn refresh(&self, subject: &Subject, entry: &Entry<E>) {
        let computation = self.compute(subject, entry.compute.clone());
        if let Err(error) = self.single_flight(self.flight_key(subject, Some(entry)), computation).await {
            if error.is_ours() {
                tracing::debug!(key = subject.key, %error, "could not be computed anew");
                self.failing.insert(subject.key.clone(), ()).await;
            } else {
                self.memory.invalidate(&subject.key).await;
            }
        }
    }
}
