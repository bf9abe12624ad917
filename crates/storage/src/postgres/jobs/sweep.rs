//! Sends waiting jobs to Redis, and recovers jobs lost by a dead worker or by Redis.

use std::time::Duration;

use domain::JobId;
use domain::jobs::{LEASE, MAX_CRASHES, Queue};
use sqlx::postgres::PgListener;
use sqlx::{PgExecutor, PgPool, Postgres, Transaction};

use super::attempt::APPLICATION_NAME;
use crate::StorageError;

/// Most ids waiting in one Redis queue. apalis-redis fails permanently near 8,000 due tasks (its script unpacks them
/// all); the remaining jobs wait in the ledger, which has no such limit.
pub const MAX_IN_REDIS: i64 = 1_000;

/// Age of a dispatch after which the job counts as lost by Redis, if Redis holds fewer ids than the ledger sent.
const LOST_AFTER: Duration = Duration::from_secs(15);

/// Age from which a connection's claim is visible in every new snapshot.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// Expires the leases of running jobs without heartbeats. The jobs wait again, or are marked as failed at the
/// [`MAX_CRASHES`]-th crash without progress in between. Returns (number waiting again, number failed).
///
/// Call it only after a whole [`LEASE`] in which heartbeats could be written: after an outage of the database every lease
/// looks dead, and no worker died.
pub async fn expire_leases(pool: &PgPool) -> Result<(u64, u64), StorageError> {
    let rows = sqlx::query_scalar!(
        "WITH dead AS (
             SELECT job_id FROM jobs WHERE status = 'running' AND heartbeat_at < now() - make_interval(secs => $1)
             -- A locked row is about to change: its attempt commits, or another dispatcher expires it.
             FOR UPDATE SKIP LOCKED)
         UPDATE jobs SET crashes = crashes + 1, lease = NULL, dispatched_at = NULL, run_after = now(),
                status = CASE WHEN crashes + 1 >= $2 THEN 'failed' WHEN cancel_requested THEN 'cancelled'
                              ELSE 'retrying' END,
                -- A death is not an attempt: the job reported nothing.
                attempts = greatest(attempts - 1, 0),
                finished_at = CASE WHEN crashes + 1 >= $2 OR cancel_requested THEN now() END,
                error = CASE WHEN crashes + 1 >= $2
                        THEN 'its worker died ' || (crashes + 1) || ' times while running it; parked. Look into the worker''s log, then retry it'
                        ELSE 'its worker died while running it' END
         FROM dead WHERE jobs.job_id = dead.job_id
         RETURNING status",
        LEASE.as_secs_f64(),
        MAX_CRASHES,
    )
    .fetch_all(pool)
    .await?;
    let parked = rows.iter().filter(|status| *status == "failed").count() as u64;
    Ok((rows.len() as u64 - parked, parked))
}

/// Ends connections of attempts that are over: their worker died, or could not reach the database to end them itself.
/// Without this, a statement of three hours would go on beside the next attempt. Returns the number ended.
pub async fn end_abandoned(pool: &PgPool) -> Result<usize, StorageError> {
    let ended = sqlx::query_scalar!(
        r#"SELECT pg_terminate_backend(pid) AS "ended!" FROM pg_stat_activity
           WHERE datname = current_database() AND usename = current_user AND starts_with(application_name, $1)
             -- The server's activity is read after this statement's snapshot of the ledger: a younger connection may
             -- belong to a claim that the snapshot does not contain.
             AND backend_start < now() - make_interval(secs => $2)
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE status = 'running' AND application_name = $1 || lease::text)"#,
        APPLICATION_NAME,
        SETTLED_AFTER.as_secs_f64(),
    )
    .fetch_all(pool)
    .await?;
    Ok(ended.len())
}

/// Takes the turn to send a queue's jobs to Redis; the turn ends with the transaction. `None`: another dispatcher has
/// it. Without turns, eight dispatchers that wake at once would each fill the room that all of them count.
pub async fn take_turn(pool: &PgPool, queue: Queue) -> Result<Option<Transaction<'static, Postgres>>, StorageError> {
    let mut turn = pool.begin().await?;
    let taken = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtext('dispatch'), hashtext($1)) AS "taken!""#,
        queue.as_str(),
    )
    .fetch_one(&mut *turn)
    .await?;
    Ok(taken.then_some(turn))
}

/// Selects the jobs whose ids are to be sent to Redis now, given that `in_redis` ids wait there, and marks them as
/// sent. Call it within a turn ([`take_turn`]), count `in_redis` within it too, and commit after the push: a failed push
/// takes the marks back.
pub async fn dispatch(conn: impl PgExecutor<'_>, queue: Queue, in_redis: i64) -> Result<Vec<JobId>, StorageError> {
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
             -- A locked row is being claimed or cancelled.
             FOR UPDATE SKIP LOCKED)
         UPDATE jobs SET dispatched_at = now() FROM due WHERE jobs.job_id = due.job_id RETURNING jobs.job_id",
        queue.as_str(),
        in_redis,
        room,
        LOST_AFTER.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    let mut ids: Vec<JobId> = ids.into_iter().map(JobId).collect();
    // UPDATE returns rows in any order; version 7 ids sort by creation time.
    ids.sort_unstable();
    Ok(ids)
}

/// A listener that is notified when jobs are enqueued.
pub async fn listen(pool: &PgPool) -> Result<PgListener, StorageError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("jobs_waiting").await?;
    Ok(listener)
}
