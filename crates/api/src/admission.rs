//! Admission of facts about movies that the catalogue does not have: they wait for their movie in the waiting room
//! ([`storage::postgres::facts::waiting`]), which is bounded per movie and in total.
//!
//! The check costs no query while the room has space: a task reads once a second how full it is. Only where it is full
//! must the API know whether a movie exists; it asks the database once for all such movies of a request, and remembers
//! the answers. The state is a second old, so the bounds are exceeded by what arrives in a second.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::MovieId;
use moka::sync::Cache;
use query::lag::Lag;
use settings::WaitingSettings;
use sqlx::PgPool;
use storage::postgres::facts::waiting::{self, Room};
use tokio::sync::Semaphore;

/// Interval of reading how full the room is.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// The pause is at least this many times as long as the read took.
const PAUSE_PER_READ: u32 = 20;

/// Time limit of a query, including the wait for a place and for a connection.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Concurrent queries for movies: requests with made-up ids must not take the connections of all others.
const ASKING_MAX: usize = 2;

/// Remembered ids of movies, 200,000 are about 20 MB.
const REMEMBERED_MAX: u64 = 200_000;

/// Time for which a movie is remembered as unknown: it is admitted this long after its arrival at the latest.
const UNKNOWN_TTL: Duration = Duration::from_secs(1);

/// Why a fact about an unknown movie is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many facts wait for this movie as there is room for.
    MovieFull,
    /// As many facts wait for all unknown movies together as there is room for.
    RoomFull,
}

impl Refusal {
    /// The stable code of a rejected item.
    pub fn code(self) -> &'static str {
        match self {
            Self::MovieFull => "unknown_movie",
            Self::RoomFull => "waiting_room_full",
        }
    }

    /// The reason for people; continues the sentence that starts with `movie_id`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::MovieFull => "is not in the catalogue, and no more facts can wait for it",
            Self::RoomFull => "is not in the catalogue, and no more facts can wait for new movies; send it again later",
        }
    }
}

/// What the API knows of the waiting room and of movies.
pub struct Admission {
    pool: PgPool,
    limits: WaitingSettings,
    lag: Arc<Lag>,
    /// The ids of full movies are sorted.
    room: RwLock<Arc<Room>>,
    /// Movies never leave the catalogue; tombstones stay in it too.
    known: Cache<i64, ()>,
    unknown: Cache<i64, ()>,
    asking: Semaphore,
}

impl Admission {
    /// Creates an admission that takes everything until [`watch`] has read the room.
    pub fn new(pool: PgPool, limits: WaitingSettings, lag: Arc<Lag>) -> Self {
        Self {
            pool,
            limits,
            lag,
            room: RwLock::default(),
            known: Cache::new(REMEMBERED_MAX),
            unknown: Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(UNKNOWN_TTL).build(),
            asking: Semaphore::new(ASKING_MAX),
        }
    }

    /// The movies among these about which no fact is accepted now. While the database does not answer, everything is
    /// accepted: the event log bounds what can come.
    pub async fn refused(&self, movies: impl Iterator<Item = MovieId>) -> HashMap<MovieId, Refusal> {
        let room = self.room.read().unwrap_or_else(PoisonError::into_inner).clone();
        // Facts in the event log may turn out to be about unknown movies.
        let uncounted = i64::try_from(self.lag.uncounted()).unwrap_or(i64::MAX);
        let total_full = room.units.saturating_add(uncounted) >= self.limits.total;
        if !total_full && room.full.is_empty() {
            return HashMap::new();
        }
        let mut refused: HashMap<MovieId, Refusal> = movies
            .filter_map(|movie| match (room.full.binary_search(&movie.get()).is_ok(), total_full) {
                (true, _) => Some((movie, Refusal::MovieFull)),
                (false, true) => Some((movie, Refusal::RoomFull)),
                (false, false) => None,
            })
            .filter(|(movie, _)| !self.known.contains_key(&movie.get()))
            .collect();
        if self.ask(refused.keys().map(|movie| movie.get())).await {
            refused.retain(|movie, _| !self.known.contains_key(&movie.get()));
        } else {
            refused.clear();
        }
        refused
    }

    /// Asks which of these movies exist and remembers the answer; returns whether the database answered.
    async fn ask(&self, movies: impl Iterator<Item = i64>) -> bool {
        let ids: Vec<i64> = movies.filter(|id| !self.unknown.contains_key(id)).collect();
        if ids.is_empty() {
            return true;
        }
        let query = async {
            let _place = self.asking.acquire().await;
            waiting::known(&self.pool, &ids).await
        };
        match tokio::time::timeout(ASK_TIMEOUT, query).await {
            Ok(Ok(known)) => {
                for id in ids {
                    if known.contains(&id) { self.known.insert(id, ()) } else { self.unknown.insert(id, ()) }
                }
                true
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot look up movies; their facts are accepted");
                false
            }
            Err(_elapsed) => false,
        }
    }

    /// Reads how full the room is; after a failure the last state stays.
    async fn read(&self) {
        match tokio::time::timeout(ASK_TIMEOUT, waiting::room(&self.pool, self.limits.per_movie)).await {
            Ok(Ok(mut room)) => {
                room.full.sort_unstable();
                *self.room.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(room);
            }
            Ok(Err(error)) => tracing::debug!(%error, "cannot read the waiting room"),
            Err(_elapsed) => {}
        }
    }
}

/// Reads once a second how full the room is, for as long as the process runs; less often while it takes long.
pub async fn watch(admission: Arc<Admission>) {
    loop {
        let started = Instant::now();
        admission.read().await;
        tokio::time::sleep(READ_INTERVAL.max(started.elapsed() * PAUSE_PER_READ)).await;
    }
}
