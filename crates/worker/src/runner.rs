//! One job from claim to end.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use domain::JobId;
use domain::jobs::{HEARTBEAT, backoff};
use futures::FutureExt;
use serde_json::Value;
use storage::StorageError;
use storage::postgres::jobs::Job;
use storage::postgres::jobs::lease::{self, Lease, Pulse};
use tokio::time::MissedTickBehavior;

use crate::{JobContext, JobError, Shared, jobs};

/// How a run ended.
enum End {
    Done(Value),
    Failed(JobError),
    Cancelled,
    /// The worker is stopping.
    LetGo,
    /// Another worker has the job now; nothing may be written about it.
    LeaseLost,
}

/// Claims and runs a job. A duplicate delivery finds nothing to claim and ends here.
pub(crate) async fn run(shared: Shared, id: JobId) {
    let (job, lease) = match lease::claim(&shared.pool, id, &shared.name).await {
        Ok(Some(claimed)) => claimed,
        Ok(None) => return tracing::debug!(job = %id, "nothing to claim; a duplicate delivery"),
        // Not claimed, so still waiting in the ledger, and the dispatcher will see that Redis has lost it.
        Err(error) => return tracing::warn!(job = %id, %error, "the job could not be claimed"),
    };
    let started = Instant::now();
    tracing::info!(job = %id, kind = %job.kind, attempt = job.attempts, "job started");
    let context = JobContext::new(lease);
    let end = attend(&shared, &job, lease, &context).await;
    let outcome = conclude(&shared, &job, lease, &context, end).await;
    let seconds = started.elapsed().as_secs_f64();
    metrics::counter!("jobs_total", "kind" => job.kind.as_str(), "outcome" => outcome).increment(1);
    metrics::histogram!("job_duration_seconds", "kind" => job.kind.as_str()).record(seconds);
}

/// Runs the job's function and renews the lease meanwhile. However the attempt ends, the function's future is dropped,
/// which rolls back its transactions, and its blocking computations are told to stop.
async fn attend(shared: &Shared, job: &Job, lease: Lease, context: &JobContext) -> End {
    let _stop = context.stop_on_drop();
    let work = AssertUnwindSafe(jobs::run(job.kind, job.payload.clone(), shared, context)).catch_unwind();
    tokio::pin!(work);
    let allowed = job.kind.timeout().min(shared.settings.timeout.unwrap_or(Duration::MAX));
    let timeout = tokio::time::sleep(allowed);
    tokio::pin!(timeout);
    // The claim was the first beat.
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            result = &mut work => return match result {
                Ok(Ok(value)) => End::Done(value),
                Ok(Err(error)) => End::Failed(error),
                Err(panic) => End::Failed(JobError::Permanent(format!("the job panicked: {}", panic_text(&*panic)))),
            },
            () = &mut timeout => {
                let text = format!("the attempt took longer than {} s", allowed.as_secs());
                return End::Failed(JobError::Transient(text));
            }
            () = shared.let_go.cancelled() => return End::LetGo,
            _ = beat.tick() => match lease::heartbeat(&shared.pool, lease, &context.current()).await {
                Ok(Pulse::Continue) => {}
                Ok(Pulse::CancelRequested) => return End::Cancelled,
                Ok(Pulse::LeaseLost) => return End::LeaseLost,
                // The job itself may not need the database just now; the lease outlasts a short outage.
                Err(error) => tracing::warn!(job = %job.id, %error, "a heartbeat was not written"),
            },
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Writes the end down; answers it as a word for the metrics.
async fn conclude(shared: &Shared, job: &Job, lease: Lease, context: &JobContext, end: End) -> &'static str {
    let (id, kind) = (job.id, job.kind);
    let (outcome, written) = match end {
        End::Done(result) => {
            tracing::info!(job = %id, %kind, %result, "job succeeded");
            let progress = context.current();
            ("succeeded", persist(|| lease::succeed(&shared.pool, lease, &result, &progress)).await)
        }
        End::Failed(error) => {
            let retry_in =
                (error.is_transient() && job.attempts < job.max_attempts).then(|| backoff(job.attempts, rand_unit()));
            match retry_in {
                Some(wait) => tracing::warn!(job = %id, %kind, %error, ?wait, "job failed; it will be tried again"),
                None => tracing::error!(job = %id, %kind, %error, attempts = job.attempts, "job failed"),
            }
            let (text, progress) = (error.to_string(), context.current());
            let outcome = if retry_in.is_some() { "retrying" } else { "failed" };
            (outcome, persist(|| lease::fail(&shared.pool, lease, &text, &progress, retry_in)).await)
        }
        End::Cancelled => {
            tracing::info!(job = %id, %kind, "job cancelled");
            ("cancelled", persist(|| lease::cancelled(&shared.pool, lease)).await)
        }
        End::LetGo => {
            tracing::info!(job = %id, %kind, "job put back; the worker is stopping");
            ("released", persist(|| lease::release(&shared.pool, lease)).await)
        }
        End::LeaseLost => {
            tracing::warn!(job = %id, %kind, "the lease was lost; another worker has the job");
            ("lease_lost", Ok(()))
        }
    };
    if let Err(error) = written {
        tracing::error!(job = %id, %error, "the job's end was not written; its lease will expire and it runs again");
    }
    outcome
}

/// Tries a ledger write a few times: losing the end of a three-hour job to a restart of the database would be a pity.
async fn persist<F: Future<Output = Result<(), StorageError>>>(write: impl Fn() -> F) -> Result<(), StorageError> {
    const TRIES: u32 = 5;
    for attempt in 1.. {
        match write().await {
            Err(error) if error.is_transient() && attempt < TRIES => {
                tracing::warn!(%error, attempt, "the ledger was not written; trying again");
                tokio::time::sleep(Duration::from_millis(500) * attempt).await;
            }
            written => return written,
        }
    }
    Ok(())
}

/// 0 to 1, different for jobs that fail together.
fn rand_unit() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
