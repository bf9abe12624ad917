//! What a running job tells the world: how far it is.

use std::sync::{Arc, Mutex, PoisonError};

use domain::JobId;
use storage::postgres::jobs::lease::Progress;

/// Handed to a job's function.
#[derive(Debug, Clone)]
pub struct JobContext {
    pub job_id: JobId,
    progress: Arc<Mutex<Progress>>,
    /// Of a job made of steps: (this one, all), and its name.
    step: Option<(i64, i64, &'static str)>,
}

/// Units of progress in each step of a job made of steps, whatever the step itself counts in.
const STEP_UNITS: i64 = 1_000;

impl JobContext {
    /// The context of one run of a job.
    pub fn new(job_id: JobId) -> Self {
        Self { job_id, progress: Arc::default(), step: None }
    }

    /// The context of a step, which moves its share of the whole job's progress.
    pub fn step(&self, index: usize, steps: usize, name: &'static str) -> Self {
        Self { step: Some((index as i64, steps as i64, name)), ..self.clone() }
    }

    /// Says how far the job is. Cheap: the next heartbeat takes it to the ledger.
    pub fn progress(&self, done: i64, total: Option<i64>, phase: &str) {
        let progress = match self.step {
            None => Progress { done, total, phase: Some(phase.to_owned()) },
            Some((index, steps, name)) => {
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
}
