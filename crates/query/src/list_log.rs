//! Logs served lists, never in a reader's way: a question adds to a bounded buffer, a task stores what has gathered.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use storage::postgres::served_lists::{self, ServedList};
use uuid::Uuid;

/// Lists that may wait. A list takes some 400 bytes, so this is 4 MB, and ten seconds at 1,000 lists a second.
const WAITING_MAX: usize = 10_000;

/// Lists stored in one statement.
const CHUNK: usize = 500;

/// How often waiting lists are stored.
const STORE_INTERVAL: Duration = Duration::from_secs(1);

/// Time limit for storing what waits when the process stops.
const LAST_TIME: Duration = Duration::from_secs(5);

/// The log of one process.
#[derive(Debug)]
pub struct ListLog {
    waiting: Mutex<Vec<ServedList>>,
    /// Share of the lists that are logged, 0 to 1.
    sample: f64,
}

impl ListLog {
    /// Creates a log of this share of the lists.
    pub fn new(sample: f64) -> Self {
        Self { waiting: Mutex::default(), sample }
    }

    /// Whether the list with this id is in the sample.
    pub fn samples(&self, list_id: Uuid) -> bool {
        // The lowest 62 bits of versions 4 and 7 are random.
        let (_, low) = list_id.as_u64_pair();
        ((low & (u64::MAX >> 2)) as f64) < self.sample * (1_u64 << 62) as f64
    }

    /// Adds a list that is in the sample. A list that finds no room is dropped and counted.
    pub fn add(&self, list: ServedList) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING_MAX {
            waiting.push(list);
        } else {
            metrics::counter!("recommendation_lists_dropped_total").increment(1);
        }
    }

    /// Stores what waits, once a second, for as long as the process runs. While the database is away the lists wait.
    pub async fn run(self: Arc<Self>, pool: PgPool) -> Infallible {
        let mut failing = false;
        loop {
            tokio::time::sleep(STORE_INTERVAL).await;
            match self.store(&pool).await {
                Ok(()) => failing = false,
                // Logged once per outage.
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, "served lists cannot be stored; they wait in memory");
                }
                Err(_) => {}
            }
        }
    }

    /// Stores what waits when the process stops.
    pub async fn finish(&self, pool: &PgPool) {
        match tokio::time::timeout(LAST_TIME, self.store(pool)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last served lists were not stored"),
            Err(_) => tracing::warn!(after = ?LAST_TIME, "the last served lists were not stored"),
        }
    }

    async fn store(&self, pool: &PgPool) -> Result<(), storage::StorageError> {
        loop {
            let mut lists = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let chunk = waiting.len().min(CHUNK);
                waiting.drain(..chunk).collect::<Vec<_>>()
            };
            if lists.is_empty() {
                return Ok(());
            }
            if let Err(error) = served_lists::store(pool, &lists).await {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let newer = std::mem::take(&mut *waiting);
                lists.extend(newer);
                *waiting = lists;
                return Err(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_about_its_share() {
        let share = |sample: f64| {
            let log = ListLog::new(sample);
            (0..10_000).filter(|_| log.samples(Uuid::new_v4())).count()
        };
        assert_eq!((share(0.0), share(1.0)), (0, 10_000));
        // Four standard deviations of a binomial of 10,000 at 0.3.
        assert!((share(0.3) as f64 - 3_000.0).abs() < 4.0 * 45.9);
    }
}
