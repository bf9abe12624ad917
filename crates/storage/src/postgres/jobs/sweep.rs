//! Sends waiting jobs to Redis, and recovers jobs lost by a dead worker or by Redis.

use std::time::Duration;

use domain::JobId;
use domain::jobs::{LEASE, MAX_CRASHES, Queue};
use sqlx::PgPool;
use sqlx::postgres::PgListener;

use crate::StorageError;

/// Most ids waiting in one Redis queue. apalis-redis fails permanently near 8,000 due tasks (its script unpacks them
/// all); the remaining jobs wait in the ledger, which has no such limit.
pub const MAX_IN_REDIS: i64 = 1_000;

/// Age of a dispatch after which the job counts as lost by Redis, if Redis holds fewer ids than the ledger sent.
const LOST_AFTER: Duration = Duration::from_secs(15);

/// Expires the leases of running jobs without heartbeats. The jobs wait again, or are marked as failed at the
/// [`MAX_CRASHES`]-th crash. Returns (number waiting again, number failed).
pub async fn expire_leases(pool: &PgPool) -> Result<(u64, u64), StorageError> {
    let rows = sqlx::query_scalar!(
        "UPDATE jobs SET crashes = crashes + 1, lease = NULL, dispatched_at = NULL, run_after = now(),
                status = CASE WHEN crashes + 1 >= $2 THEN 'failed' WHEN cancel_requested THEN 'cancelled'
                              ELSE 'retrying' END,
                -- A death is not an attempt: the job reported nothing.
                attempts = greatest(attempts - 1, 0),
                finished_at = CASE WHEN crashes + 1 >= $2 OR cancel_requested THEN now() END,
                error = CASE WHEN crashes + 1 >= $2
                        THEN 'its worker died ' || (crashes + 1) || ' times while running it; parked. Look into the worker''s log, then retry it'
                        ELSE 'its worker died while running it' END
         WHERE status = 'running' AND heartbeat_at < now() - make_interval(secs => $1)
         RETURNING status",
        LEASE.as_secs_f64(),
        MAX_CRASHES,
    )
    .fetch_all(pool)
    .await?;
    let parked = rows.iter().filter(|status| *status == "failed").count() as u64;
    Ok((rows.len() as u64 - parked, parked))
}

/// Selects the jobs whose ids are to be sent to Redis now, given that `in_redis` ids wait there, and marks them as
/// sent. The caller pushes them; if that fails, they count as lost and are sent again later.
pub async fn dispatch(pool: &PgPool, queue: Queue, in_redis: i64) -> Result<Vec<JobId>, StorageError> {
    let room = MAX_IN_REDIS - in_redis;
    if room <= 0 {
        return Ok(Vec::new());
    }
    let ids = sqlx::query_scalar!(
        "WITH sent AS (
             SELECT count(*) AS n FROM jobs
             WHERE queue = $1 AND status IN ('queued', 'retrying') AND dispatched_at IS NOT NULL),
         due AS (
             SELECT job_id FROM jobs
             WHERE queue = $1 AND status IN ('queued', 'retrying') AND run_after <= now()
               AND (dispatched_at IS NULL
                    OR ((SELECT n FROM sent) > $2 AND dispatched_at < now() - make_interval(secs => $4)))
             -- Jobs of one statement have one created_at; their ids sort by creation.
             ORDER BY created_at, job_id LIMIT $3
             -- Several workers sweep; each takes rows that no other is taking.
             FOR UPDATE SKIP LOCKED)
         UPDATE jobs SET dispatched_at = now() FROM due WHERE jobs.job_id = due.job_id RETURNING jobs.job_id",
        queue.as_str(),
        in_redis,
        room,
        LOST_AFTER.as_secs_f64(),
    )
    .fetch_all(pool)
    .await?;
    let mut ids: Vec<JobId> = ids.into_iter().map(JobId).collect();
    // UPDATE returns rows in any order; version 7 ids sort by creation time.
    ids.sort_unstable();
    Ok(ids)
}

/// Reverts the mark of [`dispatch`] after a failed push.
pub async fn undispatch(pool: &PgPool, ids: &[JobId]) -> Result<(), StorageError> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "UPDATE jobs SET dispatched_at = NULL WHERE job_id = ANY($1) AND status IN ('queued', 'retrying')",
        &ids
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A listener that is notified when jobs are enqueued.
pub async fn listen(pool: &PgPool) -> Result<PgListener, StorageError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("jobs_waiting").await?;
    Ok(listener)
}
