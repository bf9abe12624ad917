//! Finished steps of chains, with their results. Like every write about a running job, these check the lease, so a
//! worker that lost the job records nothing.

use std::collections::HashMap;

use domain::JobId;
use domain::jobs::JobKind;
use serde_json::Value;
use sqlx::{PgExecutor, PgPool};

use super::lease::Lease;
use crate::StorageError;

/// The results of a job's finished steps.
pub async fn finished(pool: &PgPool, job: JobId) -> Result<HashMap<JobKind, Value>, StorageError> {
    let rows = sqlx::query!(
        r#"SELECT step, result AS "result!" FROM job_steps WHERE job_id = $1 AND finished_at IS NOT NULL"#,
        job.0,
    )
    .fetch_all(pool)
    .await?;
    // A step whose kind this release does not know is no longer part of the chain.
    Ok(rows.into_iter().filter_map(|row| Some((row.step.parse().ok()?, row.result))).collect())
}

/// Records the begin of a step and counts it. Returns `false` where the lease is lost or the step is already finished.
pub async fn begin(pool: &PgPool, lease: Lease, step: JobKind, position: i32) -> Result<bool, StorageError> {
    let begun = sqlx::query!(
        "INSERT INTO job_steps (job_id, step, position)
         SELECT job_id, $3, $4 FROM jobs WHERE job_id = $1 AND lease = $2
         ON CONFLICT (job_id, step) DO UPDATE
         SET runs = job_steps.runs + 1, started_at = now(), position = excluded.position
         WHERE job_steps.finished_at IS NULL",
        lease.job_id.0,
        lease.token,
        step.as_str(),
        position,
    )
    .execute(pool)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Records the result of a step. Returns `false` where the lease is lost.
pub async fn finish(
    conn: impl PgExecutor<'_>,
    lease: Lease,
    step: JobKind,
    result: &Value,
) -> Result<bool, StorageError> {
    let finished = sqlx::query!(
        "UPDATE job_steps SET finished_at = now(), result = $4
         FROM jobs WHERE job_steps.job_id = $1 AND step = $3 AND jobs.job_id = $1 AND lease = $2",
        lease.job_id.0,
        lease.token,
        step.as_str(),
        result,
    )
    .execute(conn)
    .await?;
    Ok(finished.rows_affected() == 1)
}
