//! The active movies, kept in memory: loaded from the database and updated through the change feed. While the database
//! is unreachable they stay as they are and rankings continue.

mod follow;
mod watched;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::hours::Hour;
use domain::merge::cutoff;
use domain::page::Limit;
use domain::trending::active::{Active, Ranking, Span};
use moka::future::Cache;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::speed::active;
use tokio::sync::watch;

use crate::QueryError;

pub use follow::follow;
pub use watched::{Watched, Watching, recompute};

/// Maximum time that a request waits for the first load. Loading 50,000 movies with 48 hours each can take longer on a
/// busy machine; then the answer is [`QueryError::NotReady`].
const LOAD_WAIT_MAX: Duration = Duration::from_secs(5);

/// Maximum number of cached rankings.
const RANKINGS_MAX: u64 = 200;

/// TTL of a cached ranking. The movies' version is part of its key, so a ranking is never used after a change.
const RANKING_TTL: Duration = Duration::from_secs(10);

/// The active movies and their version.
pub struct ActiveMovies {
    movies: RwLock<Active>,
    status: watch::Sender<Status>,
    /// Single-flight: concurrent requests for the same ranking share one computation.
    rankings: Cache<RankingKey, Arc<Ranked>>,
}

/// Everything that a ranking depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RankingKey {
    span: Span,
    genre: Option<String>,
    limit: usize,
    version: u64,
}

/// How current the active movies are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// Number of changes since the process started.
    pub version: u64,
    /// Time of the last full read; `None` before the first one.
    pub loaded_at: Option<DateTime<Utc>>,
    /// Time of the last change of any movie.
    pub changed_at: Option<DateTime<Utc>>,
}

/// A ranking and the state that it was computed from.
#[derive(Debug, Clone)]
pub struct Ranked {
    pub ranking: Ranking,
    pub span: Span,
    pub status: Status,
    pub at: DateTime<Utc>,
}

impl ActiveMovies {
    /// Creates an empty set; [`follow`] loads the movies.
    pub fn new() -> Arc<Self> {
        let (movies, status) = (RwLock::default(), watch::Sender::new(Status::default()));
        let rankings = Cache::builder().max_capacity(RANKINGS_MAX).time_to_live(RANKING_TTL).build();
        Arc::new(Self { movies, status, rankings })
    }

    /// Returns how current the movies are.
    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Waits for the first load.
    ///
    /// # Errors
    /// [`QueryError::NotReady`] after [`LOAD_WAIT_MAX`]: the database is slow, or has been unreachable since the
    /// process started.
    pub(crate) async fn loaded(&self) -> Result<(), QueryError> {
        let mut status = self.status.subscribe();
        let loaded = status.wait_for(|status| status.loaded_at.is_some());
        match tokio::time::timeout(LOAD_WAIT_MAX, loaded).await {
            Ok(_) => Ok(()),
            Err(_elapsed) => Err(QueryError::NotReady),
        }
    }

    /// Ranks the movies of the last `hours` hours, after waiting for the first load. `genre` matches in upper and lower
    /// case alike.
    ///
    /// # Errors
    /// [`QueryError::NotReady`]: the movies are not loaded.
    pub async fn rank(
        self: &Arc<Self>,
        hours: u32,
        genre: Option<String>,
        limit: usize,
    ) -> Result<Arc<Ranked>, QueryError> {
        self.loaded().await?;
        let key = RankingKey { span: Span::last(hours, Utc::now()), genre, limit, version: self.status().version };
        if limit > usize::from(Limit::MAX) {
            // Exports of thousands of movies are not cached: the same one is hardly requested twice within the TTL.
            return self.compute(&key).await;
        }
        let ranked = self.rankings.try_get_with_by_ref(&key, self.compute(&key)).await;
        ranked.map_err(Arc::unwrap_or_clone)
    }

    async fn compute(self: &Arc<Self>, key: &RankingKey) -> Result<Arc<Ranked>, QueryError> {
        let (this, RankingKey { span, genre, limit, .. }) = (self.clone(), key.clone());
        // Ranking all movies takes milliseconds of CPU; on an async worker thread it would delay other requests.
        let ranking = tokio::task::spawn_blocking(move || {
            let movies = this.read();
            let (ranking, status) = (movies.rank(span, genre.as_deref(), limit), this.status());
            Arc::new(Ranked { ranking, span, status, at: Utc::now() })
        });
        ranking.await.map_err(|error| QueryError::Internal(error.to_string()))
    }

    /// Reads all movies. The previous ones answer until the new ones are complete.
    async fn load(&self, pool: &PgPool) -> Result<(), StorageError> {
        let (since, mut movies) = (cutoff(Utc::now()), Active::default());
        for ids in active::ids(pool, since).await?.chunks(active::CHUNK) {
            active::reload(pool, ids, since).await?.put_into(&mut movies);
        }
        let before = std::mem::replace(&mut *self.write(), movies);
        self.changed(true);
        // Freeing hundreds of megabytes takes time; it happens outside the lock so that readers need not wait.
        drop(before);
        Ok(())
    }

    /// Reads some movies again, at most [`active::CHUNK`].
    async fn reload(&self, pool: &PgPool, ids: &[i64]) -> Result<(), StorageError> {
        active::reload(pool, ids, cutoff(Utc::now())).await?.put_into(&mut self.write());
        self.changed(false);
        Ok(())
    }

    /// Drops hours before `first`, the new cutoff.
    fn forget_before(&self, first: Hour) {
        self.write().forget_before(first);
        self.changed(false);
    }

    fn changed(&self, loaded: bool) {
        let now = Utc::now();
        self.status.send_modify(|status| {
            status.version += 1;
            status.changed_at = Some(now);
            if loaded {
                status.loaded_at = Some(now);
            }
        });
        metrics::gauge!("trending_active_movies").set(self.read().len() as f64);
    }

    // A poisoned lock is still used: code under it panics only when out of memory, and a half-updated map is still
    // valid.
    fn read(&self) -> RwLockReadGuard<'_, Active> {
        self.movies.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Active> {
        self.movies.write().unwrap_or_else(PoisonError::into_inner)
    }
}
