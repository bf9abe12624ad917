//! Records which movies' and viewers' live facts have changed, so that older answers about them count as outdated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::viewers::ViewerName;
use moka::sync::Cache;

use crate::entry::now;
use crate::subject::{Live, ViewerKey};

/// Maximum number of movies recorded. If one is evicted, its older answers are served until their TTL ends.
const MOVIES_MAX: u64 = 200_000;

/// Maximum number of viewers recorded; as for movies.
const VIEWERS_MAX: u64 = 200_000;

/// Least age at which an answer is outdated by a change of its movie. It bounds recomputation for a movie that is rated
/// often to twice a second.
const MOVIE_REUSE_TIME: Duration = Duration::from_millis(500);

/// The same bound for answers that count all movies, since one of them changes almost always.
const ALL_MOVIES_REUSE_TIME: Duration = Duration::from_secs(2);

/// Records of changes; times are milliseconds since 1970, as in entries.
pub(crate) struct Touched {
    movies: Cache<i64, u64>,
    viewers: Cache<ViewerKey, u64>,
    last: AtomicU64,
    everything: AtomicU64,
}

impl Touched {
    /// Creates an empty record. `memory` is the longest time for which an answer may be used.
    pub fn new(memory: Duration) -> Self {
        let memory = memory.max(ALL_MOVIES_REUSE_TIME);
        let movies = Cache::builder().max_capacity(MOVIES_MAX).time_to_live(memory).build();
        let viewers = Cache::builder().max_capacity(VIEWERS_MAX).time_to_live(memory).build();
        let (last, everything) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { movies, viewers, last, everything }
    }

    /// Records that these movies' facts have changed.
    pub fn movies(&self, ids: &[i64]) {
        let at = now();
        for id in ids {
            self.movies.insert(*id, at);
        }
        self.last.store(at, Ordering::Release);
    }

    /// Records that what these viewers' lists are made of has changed.
    pub fn viewers(&self, names: &[ViewerName]) {
        let at = now();
        for name in names {
            self.viewers.insert(name.into(), at);
        }
    }

    /// Records that any movie may have changed.
    pub fn outdate(&self) {
        let at = now();
        self.everything.store(at, Ordering::Release);
        self.last.store(at, Ordering::Release);
    }

    /// See [`crate::ResponseCache::caught_up`].
    pub fn caught_up(&self) {
        self.last.store(now(), Ordering::Release);
    }

    /// Whether an answer of this time and age misses a recorded change.
    pub fn outdates(&self, live: Live, created_at: u64, age: Duration) -> bool {
        let (touched, reuse) = match live {
            Live::Nothing => return false,
            Live::Movie(id) => {
                let movie = self.movies.get(&id.get()).unwrap_or_default();
                (movie.max(self.everything.load(Ordering::Acquire)), MOVIE_REUSE_TIME)
            }
            // At once: a viewer sees whether the list answers to what was just clicked.
            Live::Viewer(key) => {
                let viewer = self.viewers.get(&key).unwrap_or_default();
                (viewer.max(self.everything.load(Ordering::Acquire)), Duration::ZERO)
            }
            Live::AllMovies => (self.last.load(Ordering::Acquire), ALL_MOVIES_REUSE_TIME),
        };
        touched >= created_at && age >= reuse
    }
}
