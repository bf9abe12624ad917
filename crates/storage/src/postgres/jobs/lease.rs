//! A worker's operations on a job that it holds. Every write checks the lease (a fencing token), so the writes of a
//! worker that was presumed dead are refused and cannot corrupt its successor's.

use std::time::Duration;

use domain::JobId;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::Job;
use crate::StorageError;

/// A worker's exclusive right to one attempt at one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job_id: JobId,
    /// Fencing token, new with each claim.
    pub token: Uuid,
}

/// Claims a waiting job. `None`: the job is running elsewhere, finished or cancelled, so the delivery is a duplicate
/// and must be dropped.
pub async fn claim(pool: &PgPool, id: JobId, worker: &str) -> Result<Option<(Job, Lease)>, StorageError> {
    let token = Uuid::new_v4();
    let claimed = sqlx::query!(
        "UPDATE jobs SET status = 'running', attempts = attempts + 1, lease = $2, worker = $3, heartbeat_at = now(),
                started_at = now(), finished_at = NULL, progress_done = 0, progress_total = NULL, progress_phase = NULL
         WHERE job_id = $1 AND status IN ('queued', 'retrying') AND run_after <= now()",
        id.0,
        token,
        worker,
    )
    .execute(pool)
    .await?
    .rows_affected();
    if claimed == 0 {
        return Ok(None);
    }
    let job = super::get(&mut *pool.acquire().await?, id).await?;
    Ok(job.map(|job| (job, Lease { job_id: id, token })))
}

/// Progress as a heartbeat reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units of work done; the job chooses the unit.
    pub done: i64,
    /// Total units of work; `None` while unknown.
    pub total: Option<i64>,
    /// What the job is doing, as text for people.
    pub phase: Option<String>,
}

/// The result of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatReply {
    /// The lease is renewed.
    Continue,
    /// Cancellation of the job was requested.
    CancelRequested,
    /// The job was given to another worker.
    LeaseLost,
}

/// Renews the lease and reports progress.
pub async fn heartbeat(pool: &PgPool, lease: Lease, progress: &Progress) -> Result<HeartbeatReply, StorageError> {
    let cancel = sqlx::query_scalar!(
        "UPDATE jobs SET heartbeat_at = now(), progress_done = $3, progress_total = $4, progress_phase = $5
         WHERE job_id = $1 AND lease = $2 AND status = 'running'
         RETURNING cancel_requested",
        lease.job_id.0,
        lease.token,
        progress.done,
        progress.total,
        progress.phase,
    )
    .fetch_optional(pool)
    .await?;
    Ok(match cancel {
        None => HeartbeatReply::LeaseLost,
        Some(true) => HeartbeatReply::CancelRequested,
        Some(false) => HeartbeatReply::Continue,
    })
}

/// Marks the job as succeeded.
pub async fn succeed(pool: &PgPool, lease: Lease, result: &Value, progress: &Progress) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE jobs SET status = 'succeeded', result = $3, error = NULL, finished_at = now(), lease = NULL,
                progress_done = coalesce($4::bigint, $5), progress_total = $4, progress_phase = 'done'
         WHERE job_id = $1 AND lease = $2",
        lease.job_id.0,
        lease.token,
        result,
        progress.total,
        progress.done,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Records a failed attempt with its last progress; with `retry_in` the job waits for another attempt, otherwise it is
/// marked as failed.
pub async fn fail(
    pool: &PgPool,
    lease: Lease,
    error: &str,
    progress: &Progress,
    retry_in: Option<Duration>,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE jobs SET status = CASE WHEN $4::float8 IS NULL THEN 'failed' ELSE 'retrying' END, error = $3,
                lease = NULL, dispatched_at = NULL, run_after = now() + make_interval(secs => coalesce($4, 0)),
                finished_at = CASE WHEN $4::float8 IS NULL THEN now() END,
                progress_done = $5, progress_total = $6, progress_phase = $7
         WHERE job_id = $1 AND lease = $2",
        lease.job_id.0,
        lease.token,
        error,
        retry_in.map(|wait| wait.as_secs_f64()),
        progress.done,
        progress.total,
        progress.phase,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Marks the job as cancelled.
pub async fn cancelled(pool: &PgPool, lease: Lease) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE jobs SET status = 'cancelled', lease = NULL, finished_at = now() WHERE job_id = $1 AND lease = $2",
        lease.job_id.0,
        lease.token,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Returns the job to the queue because it must wait for something outside itself, such as a lock that another job
/// holds. The attempt does not count, so a job may wait as long as it takes; `reason` is its phase meanwhile.
pub async fn postpone(pool: &PgPool, lease: Lease, reason: &str, wait: Duration) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE jobs SET status = 'queued', attempts = attempts - 1, lease = NULL, dispatched_at = NULL,
                run_after = now() + make_interval(secs => $4), progress_phase = 'waiting: ' || $3
         WHERE job_id = $1 AND lease = $2",
        lease.job_id.0,
        lease.token,
        reason,
        wait.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Returns the job to the queue because the worker is stopping; the attempt does not count.
pub async fn release(pool: &PgPool, lease: Lease) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE jobs SET status = 'queued', attempts = attempts - 1, lease = NULL, dispatched_at = NULL,
                run_after = now()
         WHERE job_id = $1 AND lease = $2",
        lease.job_id.0,
        lease.token,
    )
    .execute(pool)
    .await?;
    Ok(())
}
