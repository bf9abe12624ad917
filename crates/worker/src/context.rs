//! The context of a running job: its id, progress, cancellation signal, and the results of earlier steps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::JobId;
use domain::jobs::JobKind;
use serde_json::Value;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::jobs::attempt::{Attempt, Fenced};
use storage::postgres::jobs::lease::{Lease, Progress};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::JobError;

/// The context that a job's function receives.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// The job's id in the ledger; a step has the id of its chain.
    pub job_id: JobId,
    pub(crate) database: Attempt,
    progress: Arc<Mutex<Progress>>,
    stop: Stop,
    step: Option<Position>,
}

/// The position of a step in its chain.
#[derive(Debug, Clone)]
struct Position {
    index: i64,
    steps: i64,
    name: &'static str,
    earlier: Arc<HashMap<JobKind, Value>>,
}

/// Units of progress per step of a chain, whatever unit the step itself uses.
const STEP_UNITS: i64 = 1_000;

impl JobContext {
    /// The context of one attempt at a job.
    pub fn new(database: Attempt) -> Self {
        Self { job_id: database.lease().job_id, database, progress: Arc::default(), stop: Stop::default(), step: None }
    }

    /// The attempt's own connections, for reads; a job uses no others. [`domain::jobs::Queue::connections`] says how many
    /// there are: a job that waits for more than that while it holds them waits for itself.
    pub fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// Begins a transaction that commits only while the attempt holds the job's lease; every write goes through one.
    ///
    /// # Errors
    /// The database is unreachable.
    pub async fn begin(&self) -> Result<Fenced, StorageError> {
        self.database.begin().await
    }

    pub(crate) fn lease(&self) -> Lease {
        self.database.lease()
    }

    /// The context of a step, whose progress is scaled to its share of the whole chain. `earlier` has the results of
    /// the finished steps.
    pub fn step(&self, index: usize, steps: usize, kind: JobKind, earlier: HashMap<JobKind, Value>) -> Self {
        let position =
            Position { index: index as i64, steps: steps as i64, name: kind.as_str(), earlier: Arc::new(earlier) };
        Self { step: Some(position), ..self.clone() }
    }

    /// The result of an earlier step of the same chain; for example, a trained model for the step that evaluates it.
    pub fn result_of(&self, kind: JobKind) -> Option<&Value> {
        self.step.as_ref()?.earlier.get(&kind)
    }

    /// Reports the progress. Cheap: the next heartbeat writes it to the ledger.
    pub fn progress(&self, done: i64, total: Option<i64>, phase: &str) {
        let progress = match &self.step {
            None => Progress { done, total, phase: Some(phase.to_owned()) },
            Some(Position { index, steps, name, .. }) => {
                let share = total.filter(|total| *total > 0).map_or(0, |total| STEP_UNITS * done.min(total) / total);
                Progress {
                    done: index * STEP_UNITS + share,
                    total: Some(steps * STEP_UNITS),
                    phase: Some(format!("{name}: {phase}")),
                }
            }
        };
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    pub(crate) fn current(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Computes on a blocking thread, so that heartbeats continue while all cores work. `work` must call
    /// [`Stop::check`] at least every second: dropping this future does not stop its thread.
    ///
    /// # Errors
    /// The error that `work` returns; a panic is a permanent failure.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Stop) -> Result<T, Stopped> + Send + 'static,
    ) -> Result<T, JobError> {
        let stop = self.stop.clone();
        let done = tokio::task::spawn_blocking(move || work(&stop)).await;
        Ok(done.map_err(|error| JobError::Permanent(format!("the computation broke off: {error}")))??)
    }

    /// Cancels the attempt's threads when the guard is dropped, however the attempt ended.
    pub(crate) fn stop_on_drop(&self) -> DropGuard {
        self.stop.0.clone().drop_guard()
    }
}

/// Cancellation token of the attempt's threads: cancelled when the attempt ended (cancelled, timed out, lease lost,
/// worker stopping).
#[derive(Debug, Clone, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// Returns an error once the attempt has ended.
    ///
    /// # Errors
    /// [`Stopped`] when the thread must end; its result is discarded.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.0.is_cancelled() { Err(Stopped) } else { Ok(()) }
    }
}

/// A computation ended early because its attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the attempt has ended")]
pub struct Stopped;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// The context of a job that is in no ledger.
    fn context() -> JobContext {
        let nowhere = PgPool::connect_lazy("postgres://nobody@localhost:1/none").unwrap();
        let lease = Lease { job_id: JobId::new(), token: uuid::Uuid::new_v4() };
        JobContext::new(Attempt::new(&nowhere, lease, 1, Duration::from_secs(1)))
    }

    #[tokio::test]
    async fn a_computation_whose_attempt_ends_lets_go_of_its_thread() {
        let context = context();
        let held = Arc::new(());
        let (holds, guard) = (held.clone(), context.stop_on_drop());
        let computing = tokio::spawn(async move {
            context
                .blocking(move |stop| {
                    let _holds = holds;
                    loop {
                        stop.check()?;
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    #[expect(unreachable_code, reason = "gives the closure its type")]
                    Ok(())
                })
                .await
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        computing.abort();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(Arc::strong_count(&held), 2, "dropping the future alone does not end the thread");
        drop(guard);
        let told = Instant::now();
        while Arc::strong_count(&held) > 1 {
            assert!(told.elapsed() < Duration::from_secs(5), "the thread goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_step_sees_the_results_before_it_and_moves_its_share_of_the_progress() {
        let earlier = HashMap::from([(JobKind::Trending, serde_json::json!({ "rows": 3 }))]);
        let chain = context();
        let step = chain.step(1, 4, JobKind::GenreStats, earlier);
        assert_eq!(step.result_of(JobKind::Trending), Some(&serde_json::json!({ "rows": 3 })));
        assert_eq!(step.result_of(JobKind::Similar), None);
        step.progress(5, Some(10), "reading");
        let Progress { done, total, phase } = chain.current();
        assert_eq!((done, total, phase.as_deref()), (1_500, Some(4_000), Some("genre-stats: reading")));
    }
}
