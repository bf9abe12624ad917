//! Loads movies by id, many requests per query (request coalescing).
//!
//! A request that arrives during a query waits for its end, and is then answered together with all others that arrived
//! meanwhile. Under load the groups grow by themselves, so a read costs a fraction of a query; without load a query
//! starts at once. No request is answered by a query that started before the request arrived.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use domain::MovieId;
use domain::merge::LayerSplit;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use storage::postgres::layers::{self, MergedMovie, MovieLayers};
use storage::postgres::planned_once;
use storage::{StorageError, Store};
use tokio::sync::oneshot;

use crate::QueryError;
use crate::lag::Lag;

/// Maximum number of movies per query; beyond it the cost grows with the rows, and sharing saves nothing more.
const MOVIES_PER_QUERY_MAX: usize = 256;

/// Age at which a query counts as slow: it has probably met a lock or a dead connection. One query at a time yields the
/// largest groups, so a second query starts only beside a slow one.
const SLOW_QUERY_AGE: Duration = Duration::from_millis(50);

/// Maximum number of concurrent queries, slow ones included. It is also the number of connections, which are separate
/// from the pool.
const QUERIES_MAX: usize = 4;

/// Time limit of a query, whatever the network does: all requests of its group wait for it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

type Answer = Result<Option<Arc<MergedMovie>>, QueryError>;

struct Waiting {
    id: MovieId,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    queries: usize,
    last_start: Option<Instant>,
}

impl Queue {
    /// Whether a request that arrives now should start a query instead of waiting for the running one.
    fn wants_query(&self) -> bool {
        let slow = || self.last_start.is_some_and(|start| start.elapsed() > SLOW_QUERY_AGE);
        self.queries == 0 || (self.queries < QUERIES_MAX && slow())
    }
}

/// Loads movies' pages by id; see the module documentation.
pub struct MovieLoader {
    pool: PgPool,
    lag: Arc<Lag>,
    queue: Arc<Mutex<Queue>>,
}

impl MovieLoader {
    /// Creates a loader with connections of its own to the database of `pool`.
    pub fn new(pool: &PgPool, lag: Arc<Lag>) -> Self {
        Self { pool: planned_once(pool, QUERIES_MAX as u32), lag, queue: Arc::default() }
    }

    /// Closes the loader's connections; call it after the last request.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Returns the movie's page; `None` if the catalogue does not have the movie or no longer shows it.
    ///
    /// # Errors
    /// The query failed, for all requests of its group.
    pub async fn load(&self, id: MovieId) -> Result<Option<Arc<MergedMovie>>, QueryError> {
        let (answer, answered) = oneshot::channel();
        let start = {
            let mut queue = lock(&self.queue);
            queue.waiting.push(Waiting { id, answer });
            let start = queue.wants_query();
            if start {
                queue.queries += 1;
                queue.last_start = Some(Instant::now());
            }
            start
        };
        if start {
            // Spawned, because this request's client may disconnect while others wait for the same query.
            let place = Place { queue: self.queue.clone(), held: true };
            tokio::spawn(drain(self.pool.clone(), self.lag.clone(), place));
        }
        match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(QueryError::Internal("the loader's task ended early".into())),
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of the [`QUERIES_MAX`] slots.
struct Place {
    queue: Arc<Mutex<Queue>>,
    held: bool,
}

impl Place {
    /// Takes the next group. If nothing waits, the slot is freed under the same lock, so that a request arriving right
    /// afterwards finds it free.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = lock(&self.queue);
        if queue.waiting.is_empty() {
            queue.queries -= 1;
            self.held = false;
            return None;
        }
        queue.last_start = Some(Instant::now());
        let batch = queue.waiting.len().min(MOVIES_PER_QUERY_MAX);
        Some(queue.waiting.drain(..batch).collect())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.held {
            // The task has panicked. Dropping the channels makes the waiting requests fail instead of waiting forever.
            let mut queue = lock(&self.queue);
            queue.queries -= 1;
            queue.waiting.clear();
        }
    }
}

/// Answers group after group on one connection until nothing waits; returning the connection to the pool in between
/// costs more than the query.
async fn drain(pool: PgPool, lag: Arc<Lag>, mut place: Place) {
    let mut connection = None;
    while let Some(batch) = place.next() {
        let found = tokio::time::timeout(QUERY_TIMEOUT, query(&pool, &lag, &mut connection, &batch)).await;
        match found.unwrap_or_else(|_| Err(timed_out())) {
            Ok(movies) => {
                for waiting in batch {
                    // The receiver may be gone because its client has disconnected.
                    let _ = waiting.answer.send(Ok(movies.get(&waiting.id.get()).cloned()));
                }
            }
            Err(error) => {
                // The connection may be broken; the pool checks it.
                connection = None;
                let error = QueryError::from(error);
                for waiting in batch {
                    let _ = waiting.answer.send(Err(error.clone()));
                }
            }
        }
    }
}

fn timed_out() -> StorageError {
    StorageError::TimedOut { store: Store::Postgres, after: QUERY_TIMEOUT }
}

async fn query(
    pool: &PgPool,
    lag: &Lag,
    connection: &mut Option<PoolConnection<Postgres>>,
    batch: &[Waiting],
) -> Result<HashMap<i64, Arc<MergedMovie>>, StorageError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(pool.acquire().await?),
    };
    let mut ids: Vec<i64> = batch.iter().map(|waiting| waiting.id.get()).collect();
    ids.sort_unstable();
    ids.dedup();
    let split = LayerSplit::new(Utc::now(), lag.is_too_much());
    let pages = layers::pages(&mut **connection, &ids, split).await?.into_iter().map(MovieLayers::merge);
    Ok(pages.map(|page| (page.movie.movie_id, Arc::new(page))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_query_starts_only_beside_a_slow_one() {
        let ago = |millis| Instant::now().checked_sub(Duration::from_millis(millis));
        let wants = |queries, last_start| Queue { waiting: Vec::new(), queries, last_start }.wants_query();
        assert!(wants(0, None) && wants(0, ago(0)));
        assert!(!wants(1, ago(0)));
        assert!(wants(1, ago(1_000)));
        assert!(!wants(QUERIES_MAX, ago(1_000)));
    }
}
