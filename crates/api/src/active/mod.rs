//! The movies of domain/trending/active.rs, loaded from the database and kept exact by what it tells of touched movies.
//! When the database is away they stay as they are, and rankings go on.

mod watched;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::artifacts::CacheFamily;
use domain::hours::Hour;
use domain::merge::cutoff;
use domain::page::Limit;
use domain::trending::active::{Active, Ranking, Span};
use moka::future::Cache;
use sqlx::PgPool;
use storage::StorageError;
use storage::changes::{Change, Generation};
use storage::postgres::speed::active;
use tokio::sync::{broadcast, watch};
use tokio::time::MissedTickBehavior;

use crate::State;
use crate::error::ApiError;

pub use watched::{Watched, Watching, watch};

/// Longest that a request waits for the first load. Fifty thousand movies of two days can take longer on a busy machine;
/// then the client is told to come again.
const WAIT_LIMIT: Duration = Duration::from_secs(5);

/// Touched movies gather for this long and are then read together: a movie that everybody rates is read ten times a
/// second at most, and nobody notices a tenth of a second.
const GATHER: Duration = Duration::from_millis(100);

/// How often it is looked whether the hour or the catalogue has moved on.
const LOOK: Duration = Duration::from_millis(500);

/// After a failure; the database may be restarting.
const PAUSE: Duration = Duration::from_secs(1);

/// Touched movies beyond which reading all is cheaper than reading these, and simpler to bound.
const MANY: usize = 50_000;

/// Rankings kept, of the movies as they stand: some questions in some forms.
const RANKINGS_MAX: u64 = 200;

/// Those of movies that have changed since are not asked for any more.
const REMEMBER: Duration = Duration::from_secs(10);

/// The movies and what is known of their loading.
pub struct ActiveMovies {
    movies: RwLock<Active>,
    status: watch::Sender<Status>,
    /// A ranking follows from the movies and the hour alone, so whoever asks the same of the same movies shares one.
    rankings: Cache<Asked, Arc<Ranked>>,
}

/// What a ranking follows from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    span: Span,
    genre: Option<String>,
    limit: usize,
    version: u64,
}

/// How current the movies are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// Counts changes since the process started.
    pub version: u64,
    /// When all movies were last read; `None` before the first time.
    pub loaded_at: Option<DateTime<Utc>>,
    /// When any movie last changed.
    pub changed_at: Option<DateTime<Utc>>,
}

/// A ranking and what it was made from.
#[derive(Debug, Clone)]
pub struct Ranked {
    pub ranking: Ranking,
    pub span: Span,
    pub status: Status,
    pub at: DateTime<Utc>,
}

impl ActiveMovies {
    pub fn new() -> Arc<Self> {
        let (movies, status) = (RwLock::default(), watch::Sender::new(Status::default()));
        Arc::new(Self {
            movies,
            status,
            rankings: Cache::builder().max_capacity(RANKINGS_MAX).time_to_live(REMEMBER).build(),
        })
    }

    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Ranks the movies of the last `hours` hours, once they are loaded.
    ///
    /// # Errors
    /// They are not, since the database has been away from the start.
    pub async fn rank(
        self: &Arc<Self>,
        hours: u32,
        genre: Option<String>,
        limit: usize,
    ) -> Result<Arc<Ranked>, ApiError> {
        let loaded = self.status.subscribe();
        if tokio::time::timeout(WAIT_LIMIT, { loaded }.wait_for(|status| status.loaded_at.is_some())).await.is_err() {
            return Err(ApiError::NotReady("the movies that are active now are still being read".into()));
        }
        let asked = Asked { span: Span::last(hours, Utc::now()), genre, limit, version: self.status().version };
        if limit > usize::from(Limit::MAX) {
            // A table of thousands of movies, which nobody asks for twice.
            return self.compute(&asked).await;
        }
        let ranked = self.rankings.try_get_with_by_ref(&asked, self.compute(&asked)).await;
        ranked.map_err(ApiError::Shared)
    }

    async fn compute(self: &Arc<Self>, asked: &Asked) -> Result<Arc<Ranked>, ApiError> {
        let (this, Asked { span, genre, limit, .. }) = (self.clone(), asked.clone());
        // Pure computation over all movies, in which a worker thread would answer nobody else.
        let ranking = tokio::task::spawn_blocking(move || {
            let movies = this.read();
            let (ranking, status) = (movies.rank(span, genre.as_deref(), limit), this.status());
            Arc::new(Ranked { ranking, span, status, at: Utc::now() })
        });
        ranking.await.map_err(|error| ApiError::Internal(error.to_string().into()))
    }

    /// Reads all movies anew; those of before answer meanwhile.
    async fn load(&self, pool: &PgPool) -> Result<(), StorageError> {
        let (since, mut movies) = (cutoff(Utc::now()), Active::default());
        for ids in active::ids(pool, since).await?.chunks(active::CHUNK) {
            active::reload(pool, ids, since).await?.put_into(&mut movies);
        }
        let before = std::mem::replace(&mut *self.write(), movies);
        self.changed(true);
        drop(before);
        Ok(())
    }

    async fn reload(&self, pool: &PgPool, ids: &[i64]) -> Result<(), StorageError> {
        active::reload(pool, ids, cutoff(Utc::now())).await?.put_into(&mut self.write());
        self.changed(false);
        Ok(())
    }

    /// Hours have left the cutoff.
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

    // Nothing that holds the lock panics but for want of memory, and a map half changed is still a map.
    fn read(&self) -> RwLockReadGuard<'_, Active> {
        self.movies.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Active> {
        self.movies.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has to be read.
#[derive(Default)]
struct News {
    all: bool,
    movies: HashSet<i64>,
    /// The catalogue's generation, and the first hour, that the movies are of.
    generation: Option<i64>,
    first: Option<Hour>,
}

impl News {
    fn hear(&mut self, change: Change) {
        match change {
            Change::Movies(ids) if !self.all => self.movies.extend(ids.iter()),
            Change::Everything => self.all = true,
            Change::Movies(_) | Change::Generation(..) | Change::Purged(_) => {}
        }
        if self.movies.len() > MANY {
            self.all = true;
        }
    }

    /// Takes what has gathered without waiting.
    fn drain(&mut self, touches: &mut broadcast::Receiver<Change>) {
        loop {
            match touches.try_recv() {
                Ok(touch) => self.hear(touch),
                Err(broadcast::error::TryRecvError::Lagged(_)) => self.all = true,
                Err(_) => return,
            }
        }
    }

    fn is_empty(&self) -> bool {
        !self.all && self.movies.is_empty()
    }

    /// Reads it. What fails is still to be read; what is heard meanwhile is read afterwards.
    async fn take_over(&mut self, state: &State) -> Result<(), StorageError> {
        if self.all {
            let generation = current(state);
            state.active.load(&state.pool).await?;
            self.generation = generation;
            self.all = false;
            self.movies.clear();
        }
        while !self.movies.is_empty() {
            let ids: Vec<i64> = self.movies.iter().copied().take(active::CHUNK).collect();
            state.active.reload(&state.pool, &ids).await?;
            ids.iter().for_each(|id| {
                self.movies.remove(id);
            });
        }
        // The cache heard of it before these movies were read.
        state.cache.caught_up();
        Ok(())
    }

    /// Whether the catalogue or the hour has moved on.
    fn look(&mut self, state: &State) {
        // A movie's title, genres, base numbers or tombstone may have changed.
        if self.generation.is_some() && current(state).is_some_and(|now| Some(now) != self.generation) {
            self.all = true;
        }
        let first = cutoff(Utc::now());
        if self.first.replace(first).is_some_and(|before| before != first) {
            state.active.forget_before(first);
        }
    }
}

fn current(state: &State) -> Option<i64> {
    match state.feed.generation(CacheFamily::Movies) {
        Generation::Current(generation) => Some(generation),
        Generation::Last(_) | Generation::Unknown => None,
    }
}

/// Keeps the movies exact for as long as the process runs. `touches` are those from before anything was heard: the first
/// word is that everything has changed, said when the database is within hearing, and that is the first load.
pub async fn follow(state: Arc<State>, mut touches: broadcast::Receiver<Change>) {
    let mut news = News::default();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            change = touches.recv() => match change {
                Ok(change) => news.hear(change),
                Err(broadcast::error::RecvError::Lagged(_)) => news.all = true,
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = look.tick() => {}
        }
        news.look(&state);
        if news.is_empty() {
            continue;
        }
        tokio::time::sleep(GATHER).await;
        news.drain(&mut touches);
        match news.take_over(&state).await {
            Ok(()) => failing = false,
            Err(error) => {
                // Once an outage; the movies of before answer.
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "active movies cannot be read; trending answers with those of before");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
