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
use domain::trending::LastHours;
use domain::trending::active::{Active, Ranking, Span};
use moka::future::Cache;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::speed::active;
use storage::postgres::speed::loading::Loading;
use tokio::sync::watch;

use crate::QueryError;

pub use follow::follow;
pub use watched::{Watched, Watching, recompute};

/// Maximum time that a request waits for the hours of its window. The last hours of 50,000 movies take less than a
/// second, all 48 hours some seconds; after this time the answer is [`QueryError::NotReady`].
const LOAD_WAIT_MAX: Duration = Duration::from_secs(5);

/// Hours that are read first after a start, so that rankings of the usual window answer before the others.
const FIRST_HOURS: u32 = LastHours::DEFAULT.get();

/// Hours read per statement after that. It bounds memory: 50,000 movies have 600,000 rows in them.
const HOURS_PER_READ: i64 = 12;

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
    /// From this hour on, the hours of all movies are known; `None` before the first read.
    pub since: Option<Hour>,
    /// Time of the last full read; `None` before the first one.
    pub loaded_at: Option<DateTime<Utc>>,
    /// Time of the last change of any movie.
    pub changed_at: Option<DateTime<Utc>>,
}

impl Status {
    fn covers(&self, span: Span) -> bool {
        self.since.is_some_and(|since| since <= span.since)
    }
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

    /// Whether the last `hours` hours are known, so that they can be ranked at once.
    pub fn covers(&self, hours: u32) -> bool {
        self.status().covers(Span::last(hours, Utc::now()))
    }

    /// Whether an active movie has this genre; upper and lower case are equal.
    pub(crate) fn has_genre(&self, genre: &str) -> bool {
        self.read().has_genre(genre)
    }

    /// Waits for the first hours after a start.
    ///
    /// # Errors
    /// As for [`ActiveMovies::rank`].
    pub(crate) async fn started(&self) -> Result<(), QueryError> {
        self.loaded(Span::last(1, Utc::now())).await
    }

    /// Waits until the hours of `span` are known.
    ///
    /// # Errors
    /// [`QueryError::NotReady`] after [`LOAD_WAIT_MAX`]: the database is slow, or has been unreachable since the
    /// process started.
    async fn loaded(&self, span: Span) -> Result<(), QueryError> {
        let mut status = self.status.subscribe();
        let loaded = status.wait_for(|status| status.covers(span));
        match tokio::time::timeout(LOAD_WAIT_MAX, loaded).await {
            Ok(_) => Ok(()),
            Err(_elapsed) => Err(QueryError::NotReady),
        }
    }

    /// Ranks the movies of the last `hours` hours, after waiting for these hours after a start. `genre` matches in upper
    /// and lower case alike.
    ///
    /// # Errors
    /// [`QueryError::NotReady`]: these hours are not loaded.
    pub async fn rank(
        self: &Arc<Self>,
        hours: u32,
        genre: Option<String>,
        limit: usize,
    ) -> Result<Arc<Ranked>, QueryError> {
        let span = Span::last(hours, Utc::now());
        self.loaded(span).await?;
        let genre = genre.map(|genre| genre.to_lowercase());
        let key = RankingKey { span, genre, limit, version: self.status().version };
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

    /// Reads all movies, the newest hours first. After a start these answer before the older ones are there; later on,
    /// the previous movies answer until the new ones are complete.
    async fn load(&self, pool: &PgPool) -> Result<(), StorageError> {
        let now = Utc::now();
        let (oldest, mut read) = (cutoff(now), Span::last(FIRST_HOURS, now).since);
        let mut loading = Loading::default();
        loading.read(pool, read, None).await?;
        if self.status().since.is_none() {
            self.replace(loading.so_far(pool).await?, read, None);
        }
        while read > oldest {
            let next = read.plus(-HOURS_PER_READ).max(oldest);
            loading.read(pool, next, Some(read)).await?;
            read = next;
        }
        self.replace(loading.finish(pool).await?, oldest, Some(Utc::now()));
        Ok(())
    }

    /// Takes these movies in place of the previous ones; their hours are known from `since` on.
    fn replace(&self, movies: Active, since: Hour, loaded_at: Option<DateTime<Utc>>) {
        let before = std::mem::replace(&mut *self.write(), movies);
        self.changed(|status| (status.since, status.loaded_at) = (Some(since), loaded_at));
        // Freeing hundreds of megabytes takes time; it happens outside the lock so that readers need not wait.
        drop(before);
    }

    /// Reads some movies again, at most [`active::CHUNK`].
    async fn reload(&self, pool: &PgPool, ids: &[i64]) -> Result<(), StorageError> {
        active::reload(pool, ids, cutoff(Utc::now())).await?.put_into(&mut self.write());
        self.changed(|_| {});
        Ok(())
    }

    /// Drops hours before `first`, the new cutoff.
    fn forget_before(&self, first: Hour) {
        self.write().forget_before(first);
        self.changed(|_| {});
    }

    fn changed(&self, note: impl FnOnce(&mut Status)) {
        self.status.send_modify(|status| {
            status.version += 1;
            status.changed_at = Some(Utc::now());
            note(status);
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
