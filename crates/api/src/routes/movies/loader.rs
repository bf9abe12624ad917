//! Films by id, many requests in one query.
//!
//! A request that arrives while queries are under way waits until one is done, and is then answered together with all
//! others that have come meanwhile. Under load batches grow by themselves, and an uncached read costs a share of a
//! query; without load a query starts at once. No request gets data of a query that started before it came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::MovieId;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use storage::StorageError;
use storage::postgres::movies::{self, MovieDetail};
use tokio::sync::oneshot;

use crate::error::ApiError;

/// Films in one query: beyond it the query's cost grows with its rows and nothing is shared any more.
const BATCH_MAX: usize = 256;

/// Queries at a time. Two, so that one that is slow does not hold up all others; more would only make batches smaller.
const QUERIES_MAX: usize = 2;

/// Longest a query may take, whatever the network does: everybody in its batch waits for it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

type Answer = Result<Option<Arc<MovieDetail>>, Arc<ApiError>>;

struct Waiting {
    id: MovieId,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    queries: usize,
}

/// Loads films.
pub struct Loader {
    pool: PgPool,
    queue: Arc<Mutex<Queue>>,
}

impl Loader {
    pub fn new(pool: PgPool) -> Self {
        Self { pool, queue: Arc::default() }
    }

    /// The film, if it is shown.
    pub async fn load(&self, id: MovieId) -> Result<Option<Arc<MovieDetail>>, ApiError> {
        let (answer, answered) = oneshot::channel();
        let start = {
            let mut queue = lock(&self.queue);
            queue.waiting.push(Waiting { id, answer });
            let start = queue.queries < QUERIES_MAX;
            queue.queries += usize::from(start);
            start
        };
        if start {
            // A task of its own: the request may be given up by its client, the others in its batch are not.
            tokio::spawn(drain(self.pool.clone(), Place { queue: self.queue.clone(), held: true }));
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
async fn drain(pool: PgPool, mut place: Place) {
    let mut connection = None;
    while let Some(batch) = place.next() {
        let found = tokio::time::timeout(QUERY_TIMEOUT, query(&pool, &mut connection, &batch)).await;
        match found.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into())) {
            Ok(films) => {
                for waiting in batch {
                    // A receiver that is gone has lost interest.
                    let _ = waiting.answer.send(Ok(films.get(&waiting.id.get()).cloned()));
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

async fn query(
    pool: &PgPool,
    connection: &mut Option<PoolConnection<Postgres>>,
    batch: &[Waiting],
) -> Result<HashMap<i64, Arc<MovieDetail>>, StorageError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(pool.acquire().await?),
    };
    let mut ids: Vec<i64> = batch.iter().map(|waiting| waiting.id.get()).collect();
    ids.sort_unstable();
    ids.dedup();
    let films = movies::details(&mut **connection, &ids).await?;
    Ok(films.into_iter().map(|film| (film.movie_id, Arc::new(film))).collect())
}
