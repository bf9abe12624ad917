//! The job ledger. PostgreSQL is the source of truth about jobs; Redis only transports their ids to workers.
//!
//! The life cycle of a job: [`enqueue`] -> [`sweep::dispatch`] sends its id to Redis -> [`lease::claim`] -> heartbeats
//! -> one of [`lease::succeed`], [`lease::fail`], [`lease::postpone`], [`lease::release`]. The sweep recovers jobs that are lost on the way.

pub mod attempt;
pub mod lease;
pub mod schedules;
pub mod steps;
pub mod sweep;

use chrono::{DateTime, Utc};
use domain::JobId;
use domain::jobs::{JobKind, JobStatus, JobType, eta_seconds};
use domain::page::Page;
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::StorageError;

/// One row of the job ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Id of UUID version 7, so that ids sort by creation time.
    pub id: JobId,
    /// The kind of job.
    pub kind: JobKind,
    /// The options as they were stored; [`domain::jobs::from_ledger`] reads them as the kind's type.
    pub payload: Value,
    /// Who enqueued it, see [`NewJob::requested_by`].
    pub requested_by: String,
    /// The current status.
    pub status: JobStatus,
    /// Number of attempts begun since the job last made progress ([`attempt::Fenced::commit_progress`]), without those
    /// that a crash, a shutdown or a wait ended.
    pub attempts: i32,
    /// Attempts after which the job is marked as failed.
    pub max_attempts: i32,
    /// Number of times that its worker died while running it since the job last made progress.
    pub crashes: i32,
    /// Whether cancellation was requested.
    pub cancel_requested: bool,
    /// Units of work done in the present or last attempt; the job chooses the unit.
    pub done: i64,
    /// Total units of work; `None` while unknown.
    pub total: Option<i64>,
    /// What the job is doing, as text for people; a chain names the step.
    pub phase: Option<String>,
    /// Result of a job that succeeded, as JSON whose shape depends on the kind.
    pub result: Option<Value>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When the present or last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When its worker last renewed the lease.
    pub heartbeat_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Job {
    /// Estimated seconds left, while the job runs and has made progress.
    pub fn eta_seconds(&self, now: DateTime<Utc>) -> Option<i64> {
        if self.status != JobStatus::Running {
            return None;
        }
        eta_seconds(self.done, self.total?, (now - self.started_at?).to_std().ok()?)
    }
}

/// The columns of a [`Job`] as SQL returns them.
struct Row {
    job_id: Uuid,
    kind: String,
    payload: Value,
    requested_by: String,
    status: String,
    attempts: i32,
    max_attempts: i32,
    crashes: i32,
    cancel_requested: bool,
    progress_done: i64,
    progress_total: Option<i64>,
    progress_phase: Option<String>,
    result: Option<Value>,
    error: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    heartbeat_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Job {
    type Error = StorageError;
    fn try_from(row: Row) -> Result<Self, StorageError> {
        Ok(Self {
            id: JobId(row.job_id),
            kind: row.kind.parse().map_err(|_| StorageError::Corrupt(format!("job kind {}", row.kind)))?,
            payload: row.payload,
            requested_by: row.requested_by,
            status: row.status.parse().map_err(StorageError::Corrupt)?,
            attempts: row.attempts,
            max_attempts: row.max_attempts,
            crashes: row.crashes,
            cancel_requested: row.cancel_requested,
            done: row.progress_done,
            total: row.progress_total,
            phase: row.progress_phase,
            result: row.result,
            error: row.error,
            created_at: row.created_at,
            started_at: row.started_at,
            heartbeat_at: row.heartbeat_at,
            finished_at: row.finished_at,
        })
    }
}

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The kind of job.
    pub kind: JobKind,
    /// Options that fit the kind: from [`JobKind::payload`] or [`NewJob::with`].
    pub payload: Value,
    /// Enqueueing again with the same key returns the first job.
    pub idempotency_key: Option<String>,
    /// `admin`, `schedule:trending`, `cli`: shows people where a job came from.
    pub requested_by: String,
}

impl NewJob {
    /// A job with the default options and without a key.
    pub fn of(kind: JobKind, requested_by: impl Into<String>) -> Self {
        Self { kind, payload: Value::Object(Map::new()), idempotency_key: None, requested_by: requested_by.into() }
    }

    /// A job with options of its own.
    ///
    /// # Errors
    /// The options cannot be serialised, which no payload type of ours causes.
    pub fn with<J: JobType>(job: &J, requested_by: impl Into<String>) -> Result<Self, StorageError> {
        Ok(Self { payload: serde_json::to_value(job)?, ..Self::of(J::KIND, requested_by) })
    }
}

/// Writes a job into the ledger; returns `true` where this call created it, `false` where the key existed.
pub async fn enqueue(conn: &mut PgConnection, new: NewJob) -> Result<(Job, bool), StorageError> {
    let id = JobId::new();
    let created = sqlx::query!(
        "INSERT INTO jobs (job_id, kind, queue, payload, idempotency_key, requested_by, max_attempts)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (idempotency_key) DO NOTHING",
        id.0,
        new.kind.as_str(),
        new.kind.queue().as_str(),
        new.payload,
        new.idempotency_key,
        new.requested_by,
        new.kind.max_attempts(),
    )
    .execute(&mut *conn)
    .await?
    .rows_affected()
        == 1;
    let id = match (&new.idempotency_key, created) {
        (Some(key), false) => JobId(
            sqlx::query_scalar!("SELECT job_id FROM jobs WHERE idempotency_key = $1", key)
                .fetch_one(&mut *conn)
                .await?,
        ),
        _ => id,
    };
    let job = get(conn, id).await?.ok_or_else(|| StorageError::Vanished(format!("job {id}")))?;
    Ok((job, created))
}

/// Writes `count` jobs of one kind at once.
pub async fn enqueue_many(pool: &PgPool, new: &NewJob, count: usize) -> Result<Vec<JobId>, StorageError> {
    let ids: Vec<Uuid> = std::iter::repeat_with(|| JobId::new().0).take(count).collect();
    sqlx::query!(
        "INSERT INTO jobs (job_id, kind, queue, payload, requested_by, max_attempts)
         SELECT id, $2, $3, $4, $5, $6 FROM unnest($1::uuid[]) AS id",
        &ids,
        new.kind.as_str(),
        new.kind.queue().as_str(),
        &new.payload,
        new.requested_by,
        new.kind.max_attempts(),
    )
    .execute(pool)
    .await?;
    Ok(ids.into_iter().map(JobId).collect())
}

/// Reads one job; `None` where it does not exist.
pub async fn get(conn: &mut PgConnection, id: JobId) -> Result<Option<Job>, StorageError> {
    sqlx::query_as!(
        Row,
        "SELECT job_id, kind, payload, requested_by, status, attempts, max_attempts, crashes, cancel_requested,
                progress_done, progress_total, progress_phase, result, error, created_at, started_at, heartbeat_at,
                finished_at
         FROM jobs WHERE job_id = $1",
        id.0,
    )
    .fetch_optional(conn)
    .await?
    .map(Job::try_from)
    .transpose()
}

/// Filter of the job list; `None` matches every job.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Jobs of this kind, under whatever name they were enqueued.
    pub kind: Option<JobKind>,
    /// Jobs of this status.
    pub status: Option<JobStatus>,
}

/// A page of jobs, newest first, and the number of jobs that match.
pub async fn list(pool: &PgPool, filter: &JobFilter, page: Page) -> Result<(Vec<Job>, i64), StorageError> {
    // Rows from before a kind was renamed are listed under its present name too.
    let kinds: Option<Vec<String>> = filter.kind.map(|kind| kind.names().map(str::to_owned).collect());
    let status = filter.status.map(JobStatus::as_str);
    let rows = sqlx::query_as!(
        Row,
        "SELECT job_id, kind, payload, requested_by, status, attempts, max_attempts, crashes, cancel_requested,
                progress_done, progress_total, progress_phase, result, error, created_at, started_at, heartbeat_at,
                finished_at
         FROM jobs WHERE ($1::text[] IS NULL OR kind = ANY($1)) AND ($2::text IS NULL OR status = $2)
         ORDER BY created_at DESC, job_id DESC LIMIT $3 OFFSET $4",
        kinds.as_deref(),
        status,
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar!(
        r#"SELECT count(*) AS "n!" FROM jobs WHERE ($1::text[] IS NULL OR kind = ANY($1)) AND ($2::text IS NULL OR status = $2)"#,
        kinds.as_deref(),
        status,
    )
    .fetch_one(pool)
    .await?;
    Ok((rows.into_iter().map(Job::try_from).collect::<Result<_, _>>()?, total))
}

/// Number of jobs as (queue, status, number), for metrics and `moviemetric doctor`.
pub async fn counts(pool: &PgPool) -> Result<Vec<(String, String, i64)>, StorageError> {
    let rows = sqlx::query!(r#"SELECT queue, status, count(*) AS "n!" FROM jobs GROUP BY queue, status"#)
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|row| (row.queue, row.status, row.n)).collect())
}

/// Requests cancellation: a waiting job is cancelled at once, a running one at its next heartbeat, a finished one is
/// unchanged. Returns the job's new state; `None` where it does not exist.
pub async fn cancel(conn: &mut PgConnection, id: JobId) -> Result<Option<Job>, StorageError> {
    sqlx::query!(
        "UPDATE jobs SET cancel_requested = true,
                status = CASE WHEN status = 'running' THEN status ELSE 'cancelled' END,
                finished_at = CASE WHEN status = 'running' THEN NULL ELSE now() END
         WHERE job_id = $1 AND status IN ('queued', 'retrying', 'running')",
        id.0,
    )
    .execute(&mut *conn)
    .await?;
    get(conn, id).await
}

/// Queues a failed or cancelled job again with its attempts reset; returns its new state. The finished steps of a chain
/// remain finished ([`steps`]).
pub async fn retry(conn: &mut PgConnection, id: JobId) -> Result<Option<Job>, StorageError> {
    sqlx::query!(
        "UPDATE jobs SET status = 'queued', attempts = 0, crashes = 0, cancel_requested = false, lease = NULL,
                error = NULL, result = NULL, progress_done = 0, progress_total = NULL, progress_phase = NULL,
                run_after = now(), dispatched_at = NULL, started_at = NULL, finished_at = NULL
         WHERE job_id = $1 AND status IN ('failed', 'cancelled')",
        id.0,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query("SELECT pg_notify('jobs_waiting', '')").execute(&mut *conn).await?;
    get(conn, id).await
}

/// Deletes jobs finished more than `days` days ago, in bounded chunks; returns the number deleted.
pub async fn collect(pool: &PgPool, days: i32) -> Result<u64, StorageError> {
    const CHUNK: i64 = 10_000;
    let mut deleted = 0;
    loop {
        let done = sqlx::query!(
            "DELETE FROM jobs WHERE job_id IN (
                 SELECT job_id FROM jobs WHERE finished_at < now() - make_interval(days => $1) LIMIT $2)",
            days,
            CHUNK,
        )
        .execute(pool)
        .await?
        .rows_affected();
        deleted += done;
        if done < CHUNK as u64 {
            return Ok(deleted);
        }
    }
}
