//! Runs one job from its claim to its end.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use domain::JobId;
use domain::jobs::{HEARTBEAT, WAITING_POLL, backoff};
use futures::FutureExt;
use serde_json::Value;
use storage::StorageError;
use storage::postgres::jobs::Job;
use storage::postgres::jobs::attempt::Attempt;
use storage::postgres::jobs::lease::{self, HeartbeatReply, Lease};
use tokio::time::MissedTickBehavior;

use crate::{JobContext, JobError, Shared, jobs};

/// How an attempt ended.
enum End {
    Done(Value),
    Failed(JobError),
    Cancelled,
    /// The worker is stopping.
    Released,
    /// Another worker has the lease; nothing may be written about the job.
    LeaseLost,
}

/// Claims and runs a job. A duplicate delivery is not claimed and ends here.
pub(crate) async fn run(shared: Shared, id: JobId) {
    let (job, lease) = match lease::claim(&shared.pool, id, &shared.name).await {
        Ok(Some(claimed)) => claimed,
        Ok(None) => return tracing::debug!(job = %id, "nothing to claim; a duplicate delivery"),
        // The job is not claimed and still waits in the ledger; the dispatcher will detect that Redis has lost it.
        Err(error) => return tracing::warn!(job = %id, %error, "the job could not be claimed"),
    };
    let started = Instant::now();
    tracing::info!(job = %id, kind = %job.kind, attempt = job.attempts, "job started");
    let allowed = job.kind.timeout().min(shared.settings.timeout.unwrap_or(Duration::MAX));
    let database = Attempt::new(&shared.pool, lease, job.kind.queue().connections(), allowed);
    let context = JobContext::new(database);
    let end = attend(&shared, &job, &context, allowed).await;
    // Before the ledger gives the job away, so that no statement of this attempt runs beside the next one.
    if let Err(error) = context.database.end(&shared.pool).await {
        tracing::warn!(job = %id, %error, "the attempt's statements were not ended; a dispatcher ends them");
    }
    let outcome = conclude(&shared, &job, lease, &context, end).await;
    let seconds = started.elapsed().as_secs_f64();
    metrics::counter!("jobs_total", "kind" => job.kind.as_str(), "outcome" => outcome).increment(1);
    metrics::histogram!("job_duration_seconds", "kind" => job.kind.as_str()).record(seconds);
}

/// Runs the job's function and renews the lease meanwhile. However the attempt ends, the function's future is dropped,
/// which rolls back its transactions, and its blocking computations are cancelled.
async fn attend(shared: &Shared, job: &Job, context: &JobContext, allowed: Duration) -> End {
    let _stop = context.stop_on_drop();
    let work = AssertUnwindSafe(jobs::run(job.kind, job.payload.clone(), shared, context)).catch_unwind();
    tokio::select! {
        result = work => match result {
            Ok(Ok(value)) => End::Done(value),
            Ok(Err(error)) => End::Failed(error),
            Err(panic) => End::Failed(JobError::Permanent(format!("the job panicked: {}", panic_text(&*panic)))),
        },
        end = renew(shared, context) => end,
        () = tokio::time::sleep(allowed) => {
            End::Failed(JobError::Transient(format!("the attempt took longer than {} s", allowed.as_secs())))
        }
        () = shared.release_jobs.cancelled() => End::Released,
    }
}

/// Renews the lease until it is lost or the job is to be cancelled. It is polled beside the work: a heartbeat that waits
/// for the database must not hold up the transaction that it waits for.
async fn renew(shared: &Shared, context: &JobContext) -> End {
    // The claim counts as the first heartbeat.
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        match lease::heartbeat(&shared.pool, context.lease(), &context.current()).await {
            Ok(HeartbeatReply::Continue) => {}
            Ok(HeartbeatReply::CancelRequested) => return End::Cancelled,
            Ok(HeartbeatReply::LeaseLost) => return End::LeaseLost,
            // The job may not need the database at present, and the lease outlasts a short outage.
            Err(error) => tracing::warn!(job = %context.job_id, %error, "a heartbeat was not written"),
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

/// Records the end in the ledger; returns its label for the metrics.
async fn conclude(shared: &Shared, job: &Job, lease: Lease, context: &JobContext, end: End) -> &'static str {
    let (id, kind) = (job.id, job.kind);
    let (outcome, written) = match end {
        End::Done(result) => {
            tracing::info!(job = %id, %kind, %result, "job succeeded");
            let progress = context.current();
            ("succeeded", persist(shared, || lease::succeed(&shared.pool, lease, &result, &progress)).await)
        }
        End::Failed(JobError::Waiting(reason)) => {
            tracing::info!(job = %id, %kind, reason, "job waits");
            ("waiting", persist(shared, || lease::postpone(&shared.pool, lease, &reason, WAITING_POLL)).await)
        }
        End::Failed(error) => {
            // Progress has renewed the attempts in the ledger, except this one.
            let attempts = if context.database.has_progressed() { 1 } else { job.attempts };
            let retry_in =
                (error.is_transient() && attempts < job.max_attempts).then(|| backoff(attempts, rand_unit()));
            match retry_in {
                Some(wait) => tracing::warn!(job = %id, %kind, %error, ?wait, "job failed; it will be tried again"),
                None => tracing::error!(job = %id, %kind, %error, attempts, "job failed"),
            }
            let (text, progress) = (error.to_string(), context.current());
            let outcome = if retry_in.is_some() { "retrying" } else { "failed" };
            (outcome, persist(shared, || lease::fail(&shared.pool, lease, &text, &progress, retry_in)).await)
        }
        End::Cancelled => {
            tracing::info!(job = %id, %kind, "job cancelled");
            ("cancelled", persist(shared, || lease::cancelled(&shared.pool, lease)).await)
        }
        End::Released => {
            tracing::info!(job = %id, %kind, "job returned to the queue; the worker is stopping");
            ("released", persist(shared, || lease::release(&shared.pool, lease)).await)
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

/// Retries a write to the ledger until the database is back or the worker stops, so that an outage neither loses the
/// result of a three-hour job nor looks like a dead worker. Where somebody else has the lease by then, nothing is written.
async fn persist<F: Future<Output = Result<(), StorageError>>>(
    shared: &Shared,
    write: impl Fn() -> F,
) -> Result<(), StorageError> {
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    let mut wait = Duration::from_millis(500);
    loop {
        match write().await {
            Err(error) if error.is_transient() && !shared.release_jobs.is_cancelled() => {
                tracing::warn!(%error, "a write to the ledger failed; retrying");
                let _ = tokio::time::timeout(wait, shared.release_jobs.cancelled()).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            written => return written,
        }
    }
}

/// Jitter from 0 to 1, different for jobs that fail at the same time.
fn rand_unit() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
