//! Which movies' live facts have changed lately: what was cached of them before is not of use any more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::entry::now;
use crate::subject::Live;

/// Movies remembered. One that falls out is cached for its time to live at most.
const MOVIES_MAX: u64 = 200_000;

/// An answer that is younger is used although its movie has changed since: a movie that everybody rates is still computed
/// twice a second only.
const REUSE_MOVIE: Duration = Duration::from_millis(500);

/// The same for answers that count all movies, of which one or another always changes.
const REUSE_ALL_MOVIES: Duration = Duration::from_secs(2);

/// Times are milliseconds since 1970, as in an entry.
pub(crate) struct Touched {
    movies: Cache<i64, u64>,
    last: AtomicU64,
    everything: AtomicU64,
}

impl Touched {
    /// Remembers movies for `memory`, the longest time that an answer may be used.
    pub fn new(memory: Duration) -> Self {
        let movies = Cache::builder().max_capacity(MOVIES_MAX).time_to_live(memory.max(REUSE_ALL_MOVIES)).build();
        let (last, everything) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { movies, last, everything }
    }

    /// Takes in movies whose facts have changed.
    pub fn movies(&self, ids: &[i64]) {
        let at = now();
        for id in ids {
            self.movies.insert(*id, at);
        }
        self.last.store(at, Ordering::Release);
    }

    /// Any movie may have changed.
    pub fn outdate(&self) {
        let at = now();
        self.everything.store(at, Ordering::Release);
        self.last.store(at, Ordering::Release);
    }

    /// See [`crate::ResponseCache::caught_up`].
    pub fn caught_up(&self) {
        self.last.store(now(), Ordering::Release);
    }

    /// Whether an answer of that time and age counts less than is known now.
    pub fn outdates(&self, live: Live, created_at: u64, age: Duration) -> bool {
        let (touched, reuse) = match live {
            Live::Nothing => return false,
            Live::Movie(id) => {
                let movie = self.movies.get(&id.get()).unwrap_or_default();
                (movie.max(self.everything.load(Ordering::Acquire)), REUSE_MOVIE)
            }
            Live::AllMovies => (self.last.load(Ordering::Acquire), REUSE_ALL_MOVIES),
        };
        touched >= created_at && age >= reuse
    }
}
