//! What the database tells every API process: which generation of each family is current, what operators purge, and
//! which movies' live facts have changed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use domain::artifacts::CacheFamily;
use sqlx::PgPool;
use storage::postgres::changes::{self, Heard, Listener};
use storage::{StorageError, Store};

use crate::State;

/// Without a notification for this long, all generations are read again: it tells whether the link still lives.
const REREAD: Duration = Duration::from_secs(2);

/// Longest that reading them may take; a database that takes longer counts as away.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// Waits between attempts to reach the database, doubled from the first to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Zero is "not known yet"; the database counts from one.
#[derive(Debug, Default)]
pub struct Generations {
    families: [AtomicI64; CacheFamily::ALL.len()],
    linked: AtomicBool,
}

/// A family's generation, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Never read. Nothing is cached: an answer under a guessed generation could be found again by another process.
    Unknown,
    Current(i64),
    /// It was that when the link to the database broke.
    Last(i64),
}

impl Generations {
    pub fn get(&self, family: CacheFamily) -> Generation {
        match self.families[family as usize].load(Ordering::Acquire) {
            0 => Generation::Unknown,
            generation if self.linked.load(Ordering::Acquire) => Generation::Current(generation),
            generation => Generation::Last(generation),
        }
    }

    /// Reads them all, once.
    pub async fn read(&self, pool: &PgPool) -> Result<(), StorageError> {
        self.take(changes::all(pool).await?);
        Ok(())
    }

    /// Takes what was read; answers the families that have moved.
    fn take(&self, all: Vec<(CacheFamily, i64)>) -> Vec<CacheFamily> {
        // Stored as it is, not the greater of both: a restored database may count from lower.
        let moved = |(family, generation): (CacheFamily, i64)| {
            let before = self.families[family as usize].swap(generation, Ordering::AcqRel);
            (before != 0 && before != generation).then_some(family)
        };
        let moved = all.into_iter().filter_map(moved).collect();
        self.linked.store(true, Ordering::Release);
        moved
    }

    /// Takes a notification; answers whether it was news. It may be older than what was read since.
    pub(super) fn hear(&self, family: CacheFamily, generation: i64) -> bool {
        self.families[family as usize].fetch_max(generation, Ordering::AcqRel) < generation
    }

    pub(super) fn lose(&self) {
        self.linked.store(false, Ordering::Release);
    }

    #[cfg(test)]
    pub(super) fn link(&self) {
        self.linked.store(true, Ordering::Release);
    }
}

/// Listens for as long as the process runs.
pub async fn follow(state: Arc<State>) {
    let mut wait = BACKOFF_FIRST;
    loop {
        // A log line when the link breaks, none for each attempt to mend it.
        match listen(&state, &mut wait).await {
            Err(error) if wait == BACKOFF_FIRST => {
                tracing::warn!(%error, "the database is out of hearing; answers come from the cache where it has them");
            }
            Err(error) => tracing::debug!(%error, "the database is still out of hearing"),
            Ok(never) => match never {},
        }
        state.generations.lose();
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF_MAX);
    }
}

async fn listen(state: &State, wait: &mut Duration) -> Result<Infallible, StorageError> {
    let mut listener = within(changes::listen(&state.pool)).await?;
    read(state, &mut listener).await?;
    // What was told before is not known.
    state.touched.everything();
    if *wait != BACKOFF_FIRST {
        tracing::info!("the database is within hearing again");
        *wait = BACKOFF_FIRST;
    }
    loop {
        match tokio::time::timeout(REREAD, listener.next()).await {
            Ok(heard) => match heard? {
                Some(Heard::Generation(family, generation)) => {
                    if state.generations.hear(family, generation) {
                        state.cache.warm_soon(family);
                    }
                }
                Some(Heard::Purged(family)) => state.cache.purge(family),
                Some(Heard::Touched(movies)) => state.touched.movies(movies),
                None => return Err(StorageError::Disconnected { store: Store::Postgres }),
            },
            // Asked where it is listened, or a connection that died silently would be listened on for ever.
            Err(_quiet) => read(state, &mut listener).await?,
        }
    }
}

async fn read(state: &State, listener: &mut Listener) -> Result<(), StorageError> {
    for family in state.generations.take(within(listener.generations()).await?) {
        state.cache.warm_soon(family);
    }
    Ok(())
}

async fn within<T>(answer: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    let slow = || StorageError::TimedOut { store: Store::Postgres, after: READ_LIMIT };
    tokio::time::timeout(READ_LIMIT, answer).await.unwrap_or_else(|_| Err(slow()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_never_turns_a_generation_back() {
        let generations = Generations::default();
        generations.link();
        assert_eq!(generations.get(CacheFamily::Search), Generation::Unknown);
        assert!(generations.hear(CacheFamily::Search, 5));
        assert!(!generations.hear(CacheFamily::Search, 4));
        assert_eq!(generations.get(CacheFamily::Search), Generation::Current(5));
        assert_eq!(generations.get(CacheFamily::Movies), Generation::Unknown);
        generations.lose();
        assert_eq!(generations.get(CacheFamily::Search), Generation::Last(5));
    }
}
