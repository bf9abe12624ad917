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

use crate::error::ApiError;
use crate::lag::Lag;

/// Movies in one query: beyond it the query's cost grows with its rows and nothing is shared any more.
const BATCH_MAX: usize = 256;

/// One query at a time makes the largest batches. Only one that has not ended after this long, for which it must have met a
/// lock or a dead connection, is left behind: the next request starts another beside it.
const SLOW: Duration = Duration::from_millis(50);

/// Queries at a time, slow ones included, and connections: beside the pool that other reads have.
const QUERIES_MAX: usize = 4;

/// Longest a query may take, whatever the network does: everybody in its batch waits for it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

type Answer = Result<Option<Arc<MergedMovie>>, Arc<ApiError>>;

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

/// Loads movies.
pub struct Loader {
    pool: PgPool,
    lag: Arc<Lag>,
    queue: Arc<Mutex<Queue>>,
}

impl Loader {
    /// With connections of its own, to the database of `pool`.
    pub fn new(pool: &PgPool, lag: Arc<Lag>) -> Self {
        Self { pool: planned_once(pool, QUERIES_MAX as u32), lag, queue: Arc::default() }
    }

    /// Closes its connections, when nobody asks any more.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The movie's page, if it is shown.
    pub async fn load(&self, id: MovieId) -> Result<Option<Arc<MergedMovie>>, ApiError> {
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
            Ok(answer) => answer.map_err(ApiError::Shared),
            Err(_) => Err(ApiError::Internal("the loader's task ended early".into())),
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
            // The task died. Those who wait are told so by the loss of their channel, instead of waiting for ever.
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
                let error = Arc::new(ApiError::from(error));
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
