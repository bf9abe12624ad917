//! Movies by id, many requests in one query.
//!
//! A request that arrives while a query is under way waits until it is done, and is then answered together with all
//! others that have come meanwhile. Under load batches grow by themselves, and an uncached read costs a share of a
//! query; without load a query starts at once. No request gets data of a query that started before it came.

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

/// Most movies in one query: beyond it the query's cost grows with its rows, and sharing it saves nothing.
const BATCH_MAX: usize = 256;

/// Age from which a query counts as slow: it must have met a lock or a dead connection. One query at a time makes the
/// largest batches, so the next request starts another only beside a slow one.
const SLOW: Duration = Duration::from_millis(50);

/// Most queries at a time, slow ones included; also the number of connections, which are beside the pool of other reads.
const QUERIES_MAX: usize = 4;

/// Longest a query may take, whatever the network does: all requests of its batch wait for it.
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
    /// Whether a request that comes now should start a query, rather than wait for the one that runs.
    fn wants_query(&self) -> bool {
        let slow = || self.last_start.is_some_and(|start| start.elapsed() > SLOW);
        self.queries == 0 || (self.queries < QUERIES_MAX && slow())
    }
}

/// Loads movies' pages by id. See the module's head.
pub struct MovieLoader {
    pool: PgPool,
    lag: Arc<Lag>,
    queue: Arc<Mutex<Queue>>,
}

impl MovieLoader {
    /// With connections of its own, to the database of `pool`.
    pub fn new(pool: &PgPool, lag: Arc<Lag>) -> Self {
        Self { pool: planned_once(pool, QUERIES_MAX as u32), lag, queue: Arc::default() }
    }

    /// Closes its connections; call it once no request is left.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The movie's page; `None` where the catalogue does not have the movie, or no longer shows it.
    ///
    /// # Errors
    /// The query of this request's batch failed, for all of the batch.
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
            // A task of its own: the request may be given up by its client, the others in its batch are not.
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

/// One of the [`QUERIES_MAX`] places.
struct Place {
    queue: Arc<Mutex<Queue>>,
    held: bool,
}

impl Place {
    /// The next batch. Where nothing waits the place is given back under the same lock: a request that comes right after
    /// finds it free.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = lock(&self.queue);
        if queue.waiting.is_empty() {
            queue.queries -= 1;
            self.held = false;
            return None;
        }
        queue.last_start = Some(Instant::now());
        let batch = queue.waiting.len().min(BATCH_MAX);
        Some(queue.waiting.drain(..batch).collect())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.held {
            // The task died. The requests that wait learn it from the loss of their channel, instead of waiting for ever.
            let mut queue = lock(&self.queue);
            queue.queries -= 1;
            queue.waiting.clear();
        }
    }
}

/// Answers batch after batch until nothing waits, on one connection: taking one from the pool and giving it back costs
/// more than the query.
async fn drain(pool: PgPool, lag: Arc<Lag>, mut place: Place) {
    let mut connection = None;
    while let Some(batch) = place.next() {
        let found = tokio::time::timeout(QUERY_TIMEOUT, query(&pool, &lag, &mut connection, &batch)).await;
        match found.unwrap_or_else(|_| Err(timed_out())) {
            Ok(movies) => {
                for waiting in batch {
                    // A receiver that is gone has lost interest.
                    let _ = waiting.answer.send(Ok(movies.get(&waiting.id.get()).cloned()));
                }
            }
            Err(error) => {
                // It may be broken; the pool finds out.
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
