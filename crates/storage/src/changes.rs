//! The change feed: what PostgreSQL tells a process, for everybody in it who has to know. The cache, live trending and the
//! streams of jobs subscribe; whatever comes next does the same.
//!
//! NOTIFY is not kept for who is away. So every (re)connection begins with [`Change::Everything`], and a subscriber that
//! falls behind by more than [`BEHIND_MAX`] gets `Lagged`, which means the same to it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use domain::JobId;
use domain::artifacts::CacheFamily;
use sqlx::PgPool;
use tokio::sync::broadcast;

use crate::postgres::changes::{self, Listener, Notification};
use crate::{StorageError, Store};

/// Without a notification for this long, the generations are read again: it tells whether the connection still lives.
const REREAD_INTERVAL: Duration = Duration::from_secs(2);

/// Longest that reading the generations may take; a database that takes longer counts as away.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits between attempts to reach the database, doubled from the first to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Changes that a subscriber may fall behind.
const BEHIND_MAX: usize = 1_024;

/// Job changes that a subscriber may fall behind. A channel of their own, so that a thousand jobs that start at once do not
/// make the cache forget everything.
const JOBS_BEHIND_MAX: usize = 4_096;

/// What has changed in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// What is cached of the family under an earlier generation is obsolete.
    Generation(CacheFamily, i64),
    /// An operator purged the family: not even stale answers of it may be used.
    Purged(CacheFamily),
    /// The live facts of these movies.
    Movies(Arc<[i64]>),
    /// Anything: the connection was made anew, and what was told before it is not known.
    Everything,
}

/// A family's generation, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Never read. Nothing may be cached: an answer under a guessed generation could be found again by another process.
    Unknown,
    Current(i64),
    /// It was that when the connection to the database broke.
    Last(i64),
}

/// The feed of one process.
#[derive(Debug)]
pub struct ChangeFeed {
    /// Zero is "not known yet"; the database counts from one.
    generations: [AtomicI64; CacheFamily::ALL.len()],
    connected: AtomicBool,
    changes: broadcast::Sender<Change>,
    jobs: broadcast::Sender<JobId>,
}

impl Default for ChangeFeed {
    fn default() -> Self {
        Self {
            generations: Default::default(),
            connected: AtomicBool::new(false),
            changes: broadcast::Sender::new(BEHIND_MAX),
            jobs: broadcast::Sender::new(JOBS_BEHIND_MAX),
        }
    }
}

impl ChangeFeed {
    /// Changes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Jobs whose status or progress changes from now on.
    pub fn subscribe_jobs(&self) -> broadcast::Receiver<JobId> {
        self.jobs.subscribe()
    }

    /// The generation of a family. Costs two atomic reads.
    pub fn generation(&self, family: CacheFamily) -> Generation {
        match self.generations[family as usize].load(Ordering::Acquire) {
            0 => Generation::Unknown,
            generation if self.connected.load(Ordering::Acquire) => Generation::Current(generation),
            generation => Generation::Last(generation),
        }
    }

    /// Reads all generations once, so that a process caches from its first request on.
    ///
    /// # Errors
    /// The database is away.
    pub async fn read(&self, pool: &PgPool) -> Result<(), StorageError> {
        self.take(within(changes::generations(pool)).await?);
        Ok(())
    }

    /// Follows the database for as long as the process runs.
    pub async fn follow(&self, pool: &PgPool) -> Infallible {
        let mut wait = BACKOFF_FIRST;
        loop {
            // A log line when the connection breaks, none for each attempt to mend it.
            match self.listen(pool, &mut wait).await {
                Err(error) if wait == BACKOFF_FIRST => {
                    tracing::warn!(%error, "changes in the database are not heard; answers come from the cache where it has them");
                }
                Err(error) => tracing::debug!(%error, "changes in the database are still not heard"),
                Ok(never) => match never {},
            }
            self.disconnected();
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(BACKOFF_MAX);
        }
    }

    async fn listen(&self, pool: &PgPool, wait: &mut Duration) -> Result<Infallible, StorageError> {
        let mut listener = within(changes::listen(pool)).await?;
        self.reread(&mut listener).await?;
        self.announce(Change::Everything);
        if *wait != BACKOFF_FIRST {
            tracing::info!("changes in the database are heard again");
            *wait = BACKOFF_FIRST;
        }
        loop {
            match tokio::time::timeout(REREAD_INTERVAL, listener.next()).await {
                Ok(heard) => match heard? {
                    Some(notification) => self.hear(notification),
                    None => return Err(StorageError::Disconnected { store: Store::Postgres }),
                },
                // Asked where it is listened, or a connection that died silently would be listened on for ever.
                Err(_quiet) => self.reread(&mut listener).await?,
            }
        }
    }

    fn hear(&self, notification: Notification) {
        match notification {
            Notification::Generation(family, generation) => self.announce(Change::Generation(family, generation)),
            Notification::Purged(family) => self.announce(Change::Purged(family)),
            Notification::Touched(movies) => self.announce(Change::Movies(movies.into())),
            Notification::Job(id) => {
                // Nobody may be following a job.
                let _ = self.jobs.send(id);
            }
        }
    }

    async fn reread(&self, listener: &mut Listener) -> Result<(), StorageError> {
        let moved = self.take(within(listener.generations()).await?);
        for (family, generation) in moved {
            let _ = self.changes.send(Change::Generation(family, generation));
        }
        Ok(())
    }

    /// Takes what was read; returns the families that have moved.
    fn take(&self, all: Vec<(CacheFamily, i64)>) -> Vec<(CacheFamily, i64)> {
        // Stored as it is, not the greater of both: a restored database may count from lower.
        let moved = |(family, generation): &(CacheFamily, i64)| {
            let before = self.generations[*family as usize].swap(*generation, Ordering::AcqRel);
            before != 0 && before != *generation
        };
        let moved = all.into_iter().filter(moved).collect();
        self.connected.store(true, Ordering::Release);
        moved
    }

    /// Tells the subscribers of this process; what comes from the database goes through here, too. A generation that is no
    /// news, since it was read meanwhile, is not told again.
    pub fn announce(&self, change: Change) {
        if let Change::Generation(family, generation) = &change
            && self.generations[*family as usize].fetch_max(*generation, Ordering::AcqRel) >= *generation
        {
            return;
        }
        if change == Change::Everything {
            self.connected.store(true, Ordering::Release);
        }
        // Nobody may have subscribed.
        let _ = self.changes.send(change);
    }

    /// The connection is lost: generations are the last ones known, until [`Change::Everything`] is told.
    pub fn disconnected(&self) {
        self.connected.store(false, Ordering::Release);
    }
}

async fn within<T>(answer: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    let slow = || StorageError::TimedOut { store: Store::Postgres, after: READ_TIMEOUT };
    tokio::time::timeout(READ_TIMEOUT, answer).await.unwrap_or_else(|_| Err(slow()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_never_turns_a_generation_back() {
        let feed = ChangeFeed::default();
        let search = || feed.generation(CacheFamily::Search);
        feed.announce(Change::Everything);
        assert_eq!(search(), Generation::Unknown);
        let mut changes = feed.subscribe();
        for generation in [5, 4, 5] {
            feed.announce(Change::Generation(CacheFamily::Search, generation));
        }
        assert_eq!(changes.try_recv().ok(), Some(Change::Generation(CacheFamily::Search, 5)));
        assert!(changes.try_recv().is_err(), "what is no news is not told");
        assert_eq!(search(), Generation::Current(5));
        assert_eq!(feed.generation(CacheFamily::Movies), Generation::Unknown);
        feed.disconnected();
        assert_eq!(search(), Generation::Last(5));
    }
}
