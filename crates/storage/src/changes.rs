//! The change feed: distributes the notifications of PostgreSQL within a process. The cache, live trending and the job
//! streams subscribe.
//!
//! PostgreSQL does not store notifications for disconnected listeners. Therefore every (re)connection begins with
//! [`Change::Everything`], and a subscriber that falls behind by more than [`BEHIND_MAX`] gets `Lagged`, which has the
//! same meaning.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use domain::JobId;
use domain::artifacts::CacheFamily;
use domain::viewers::ViewerName;
use sqlx::PgPool;
use tokio::sync::broadcast;

use crate::postgres::changes::{self, Listener, Notification};
use crate::{StorageError, Store};

/// Without a notification for this long, the generations are read again, which also detects a dead connection.
const REREAD_INTERVAL: Duration = Duration::from_secs(2);

/// Time limit for reading the generations; a database that takes longer counts as unavailable.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// First wait between attempts to reach the database; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
/// Longest wait between attempts to reach the database.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Capacity of the channel: changes that a subscriber may fall behind.
const BEHIND_MAX: usize = 1_024;

/// Capacity of the jobs' channel. It is separate from the other one, so that a thousand jobs that start at once do not
/// make the cache drop everything.
const JOBS_BEHIND_MAX: usize = 4_096;

/// What has changed in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The family has a new generation; what is cached under earlier generations is obsolete.
    Generation(CacheFamily, i64),
    /// An operator purged the family: not even stale answers of it may be used.
    Purged(CacheFamily),
    /// The live facts of these movies have changed.
    Movies(Arc<[i64]>),
    /// What these viewers' lists are made of has changed: facts, profile or hidden movies.
    Viewers(Arc<[ViewerName]>),
    /// This version of the recommender has become the active one.
    Model(Arc<str>),
    /// Anything may have changed: the connection is new, and earlier notifications may have been lost.
    Everything,
}

/// A family's generation, as far as this process knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Never read. Nothing may be cached: another process could later find an answer that was stored under a guessed
    /// generation.
    Unknown,
    Current(i64),
    /// The generation when the connection to the database broke.
    Last(i64),
}

/// The change feed of one process.
#[derive(Debug)]
pub struct ChangeFeed {
    /// Zero means "not known yet"; the database counts from one.
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
    /// Subscribes to changes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Subscribes to the ids of jobs whose status or progress changes from now on.
    pub fn subscribe_jobs(&self) -> broadcast::Receiver<JobId> {
        self.jobs.subscribe()
    }

    /// The current generation of a family. Costs two atomic reads.
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
    /// [`StorageError`] when the database is unavailable.
    pub async fn read(&self, pool: &PgPool) -> Result<(), StorageError> {
        self.store(within(changes::generations(pool)).await?);
        Ok(())
    }

    /// Listens to the database for as long as the process runs; reconnects with exponential back-off.
    pub async fn follow(&self, pool: &PgPool) -> Infallible {
        let mut wait = BACKOFF_FIRST;
        loop {
            // One warning when the connection breaks, none for each attempt to reconnect.
            match self.listen(pool, &mut wait).await {
                Err(error) if wait == BACKOFF_FIRST => {
                    tracing::warn!(%error, "the change feed lost the database; answers come from the cache where it has them");
                }
                Err(error) => tracing::debug!(%error, "the change feed still cannot reach the database"),
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
            tracing::info!("the change feed reached the database again");
            *wait = BACKOFF_FIRST;
        }
        loop {
            match tokio::time::timeout(REREAD_INTERVAL, listener.next()).await {
                Ok(heard) => match heard? {
                    Some(notification) => self.receive(notification),
                    None => return Err(StorageError::Disconnected { store: Store::Postgres }),
                },
                // A query on the listening connection: without it a silently dead connection would be waited on for
                // ever.
                Err(_timeout) => self.reread(&mut listener).await?,
            }
        }
    }

    fn receive(&self, notification: Notification) {
        match notification {
            Notification::Generation(family, generation) => self.announce(Change::Generation(family, generation)),
            Notification::Purged(family) => self.announce(Change::Purged(family)),
            Notification::Touched(movies) => self.announce(Change::Movies(movies.into())),
            Notification::Viewers(viewers) => self.announce(Change::Viewers(viewers.into())),
            Notification::Model(version) => self.announce(Change::Model(version.into())),
            Notification::Job(id) => {
                // There may be no subscriber.
                let _ = self.jobs.send(id);
            }
        }
    }

    async fn reread(&self, listener: &mut Listener) -> Result<(), StorageError> {
        let moved = self.store(within(listener.generations()).await?);
        for (family, generation) in moved {
            let _ = self.changes.send(Change::Generation(family, generation));
        }
        Ok(())
    }

    /// Stores the generations that were read; returns the families whose generation has changed.
    fn store(&self, all: Vec<(CacheFamily, i64)>) -> Vec<(CacheFamily, i64)> {
        // Stores the value as read, not the maximum: after a restore the database may count from a lower value.
        let moved = |(family, generation): &(CacheFamily, i64)| {
            let before = self.generations[*family as usize].swap(*generation, Ordering::AcqRel);
            before != 0 && before != *generation
        };
        let moved = all.into_iter().filter(moved).collect();
        self.connected.store(true, Ordering::Release);
        moved
    }

    /// Sends a change to the subscribers of this process; notifications of the database pass through here too. A
    /// generation that is already known is not sent again.
    pub fn announce(&self, change: Change) {
        if let Change::Generation(family, generation) = &change
            && self.generations[*family as usize].fetch_max(*generation, Ordering::AcqRel) >= *generation
        {
            return;
        }
        if change == Change::Everything {
            self.connected.store(true, Ordering::Release);
        }
        // There may be no subscriber.
        let _ = self.changes.send(change);
    }

    /// Marks the connection as lost: the generations are the last known ones until the next [`Change::Everything`].
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
