//! Keeps the active movies up to date for as long as the process runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::artifacts::CacheFamily;
use domain::hours::Hour;
use domain::merge::cutoff;
use sqlx::PgPool;
use storage::StorageError;
use storage::changes::Change;
use storage::postgres::speed::active;
use tokio::sync::broadcast;
use tokio::time::MissedTickBehavior;

use super::ActiveMovies;

/// Time for which touched movies are collected before one read. It bounds the reads of a movie that is rated often to
/// ten per second.
const GATHER_INTERVAL: Duration = Duration::from_millis(100);

/// Interval of checking whether a new hour has begun.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Pause after a failed read; the database may be restarting.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Maximum number of touched movies that are read one by one; beyond it, reading all is cheaper. It also bounds the
/// memory of what is pending.
const PENDING_MAX: usize = 10_000;

/// Loads the movies, then applies the changes that `changes` delivers, for as long as the process runs. Subscribe
/// before the feed starts: its first message is [`Change::Everything`], which triggers the first load. `caught_up` is
/// called whenever all changes received so far have been applied: answers computed between a change and this call may
/// miss the change.
pub async fn follow(
    movies: Arc<ActiveMovies>,
    pool: PgPool,
    mut changes: broadcast::Receiver<Change>,
    caught_up: impl Fn() + Send,
) {
    let mut pending = Pending::default();
    let mut first_hour = None;
    let mut failing = false;
    let mut poll = tokio::time::interval(POLL_INTERVAL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(change) => pending.add(change),
                Err(broadcast::error::RecvError::Lagged(_)) => pending.all = true,
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = poll.tick() => {}
        }
        drop_old_hours(&movies, &mut first_hour);
        if pending.is_empty() {
            continue;
        }
        tokio::time::sleep(GATHER_INTERVAL).await;
        pending.drain(&mut changes);
        match pending.read(&movies, &pool).await {
            Ok(()) => {
                failing = false;
                caught_up();
            }
            Err(error) => {
                // Log once per outage.
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "cannot read the active movies; live trending answers with the previous ones");
                }
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

/// Drops hours that are older than the speed layer's window.
fn drop_old_hours(movies: &ActiveMovies, first_hour: &mut Option<Hour>) {
    let first = cutoff(Utc::now());
    if first_hour.replace(first).is_some_and(|before| before != first) {
        movies.forget_before(first);
    }
}

/// Movies that must be read again.
#[derive(Default)]
struct Pending {
    all: bool,
    movies: HashSet<i64>,
}

impl Pending {
    fn add(&mut self, change: Change) {
        match change {
            Change::Movies(ids) if !self.all => self.movies.extend(ids.iter()),
            // A new generation of the catalogue may change any movie's title, genres, base numbers or tombstone.
            Change::Everything | Change::Generation(CacheFamily::Movies, _) => self.all = true,
            Change::Movies(_) | Change::Viewers(_) | Change::Generation(..) | Change::Purged(_) | Change::Model(_) => {}
        }
        if self.movies.len() > PENDING_MAX {
            self.all = true;
        }
    }

    /// Takes further changes from the queue without waiting.
    fn drain(&mut self, changes: &mut broadcast::Receiver<Change>) {
        loop {
            match changes.try_recv() {
                Ok(change) => self.add(change),
                Err(broadcast::error::TryRecvError::Lagged(_)) => self.all = true,
                Err(_) => return,
            }
        }
    }

    fn is_empty(&self) -> bool {
        !self.all && self.movies.is_empty()
    }

    /// Reads the pending movies. After a failure they stay pending; changes that arrive meanwhile are read the next
    /// time.
    async fn read(&mut self, movies: &ActiveMovies, pool: &PgPool) -> Result<(), StorageError> {
        if self.all {
            movies.load(pool).await?;
            self.all = false;
            self.movies.clear();
        }
        while !self.movies.is_empty() {
            let ids: Vec<i64> = self.movies.iter().copied().take(active::CHUNK).collect();
            movies.reload(pool, &ids).await?;
            ids.iter().for_each(|id| {
                self.movies.remove(id);
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogues_generation_and_too_many_movies_mean_all() {
        let pending = |changes: Vec<Change>| {
            let mut pending = Pending::default();
            changes.into_iter().for_each(|change| pending.add(change));
            (pending.all, pending.movies.len())
        };
        let movies = |ids: std::ops::Range<i64>| Change::Movies(ids.collect());
        assert_eq!(pending(vec![movies(1..4), movies(2..6)]), (false, 5));
        assert_eq!(pending(vec![Change::Purged(CacheFamily::Movies)]), (false, 0));
        assert_eq!(pending(vec![Change::Generation(CacheFamily::Search, 2)]), (false, 0));
        assert!(pending(vec![Change::Generation(CacheFamily::Movies, 2)]).0);
        assert!(pending(vec![Change::Everything]).0);
        assert!(pending(vec![movies(0..PENDING_MAX as i64 + 1)]).0);
    }
}
