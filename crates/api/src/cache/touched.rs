//! Which movies' live facts have changed lately: what was cached of them before is not of use any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::broadcast;

use super::entry::now;
use super::question::Live;

/// Movies remembered. One that falls out is cached for its time to live at most.
const MOVIES_MAX: u64 = 200_000;

/// An answer that is younger is used although its movie has changed since: a movie that everybody rates is still computed
/// twice a second only.
const REUSE_MOVIE: Duration = Duration::from_millis(500);

/// The same for answers that count all movies, of which one or another always changes.
const REUSE_ALL_MOVIES: Duration = Duration::from_secs(2);

/// Changes that a subscriber may fall behind; beyond it, it is told that everything has changed.
const BEHIND_MAX: usize = 1_024;

/// What was heard.
#[derive(Debug, Clone)]
pub enum Touch {
    Movies(Arc<[i64]>),
    /// Nobody knows which: the link to the database was broken.
    Everything,
}

/// Times are milliseconds since 1970, as in an entry.
pub struct Touched {
    movies: Cache<i64, u64>,
    last: AtomicU64,
    everything: AtomicU64,
    changes: broadcast::Sender<Touch>,
}

impl Touched {
    /// Remembers movies for `memory`, the longest time that an answer may be used.
    pub fn new(memory: Duration) -> Self {
        let movies = Cache::builder().max_capacity(MOVIES_MAX).time_to_live(memory.max(REUSE_ALL_MOVIES)).build();
        let (last, everything) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { movies, last, everything, changes: broadcast::Sender::new(BEHIND_MAX) }
    }

    /// Takes in movies whose facts have changed.
    pub fn movies(&self, ids: Vec<i64>) {
        let at = now();
        for id in &ids {
            self.movies.insert(*id, at);
        }
        self.last.store(at, Ordering::Release);
        // Nobody may be listening.
        let _ = self.changes.send(Touch::Movies(ids.into()));
    }

    /// Any movie may have changed.
    pub fn everything(&self) {
        self.outdate();
        let _ = self.changes.send(Touch::Everything);
    }

    /// What all answers say of live facts is not right any more, though no movie's have changed.
    pub fn outdate(&self) {
        let at = now();
        self.everything.store(at, Ordering::Release);
        self.last.store(at, Ordering::Release);
    }

    /// What the process itself keeps of all movies has caught up with what was told: answers that were computed from it
    /// before, though after the telling, count less than is known now.
    pub fn caught_up(&self) {
        self.last.store(now(), Ordering::Release);
    }

    /// Changes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Touch> {
        self.changes.subscribe()
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
