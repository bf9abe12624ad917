//! Runs of artifacts: staged, published by moving the head, collected later.

use chrono::{DateTime, NaiveDate, Utc};
use domain::artifacts::{Artifact, PublishDecision, publish_decision};
use domain::hours::Hour;
use domain::jobs::Table;
use domain::{JobId, RunId};
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, PgPool};

use super::changes;
use crate::StorageError;

/// The run that readers of an artifact see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The run.
    pub run_id: RunId,
    /// The last day whose facts the run has seen.
    pub as_of: NaiveDate,
    /// Rows of the artifact.
    pub row_count: i64,
    /// When readers first saw it.
    pub published_at: DateTime<Utc>,
    /// Of a run over events: it holds every fact of the hours before this one (see [`super::batch`]).
    pub watermark: Option<Hour>,
}

/// Opens a run; its rows are written under the id answered, invisible until [`publish`].
pub async fn begin(pool: &PgPool, artifact: Artifact, job: JobId, as_of: NaiveDate) -> Result<RunId, StorageError> {
    let run = RunId::new();
    sqlx::query!(
        "INSERT INTO artifact_runs (run_id, artifact, job_id, as_of) VALUES ($1, $2, $3, $4)",
        run.0,
        artifact.as_str(),
        job.0,
        as_of,
    )
    .execute(pool)
    .await?;
    Ok(run)
}

/// Makes a run of `rows` rows the one that readers see, and what was cached of the one before unreachable, in one
/// transaction; the run before becomes `superseded`, which `as_of` still finds. Unless `force`, a run that is
/// suspiciously small is held back instead, and so is one that began before the published one did: a slow old job must
/// not undo a newer one.
pub async fn publish(
    pool: &PgPool,
    artifact: Artifact,
    run: RunId,
    rows: u64,
    force: bool,
) -> Result<PublishDecision, StorageError> {
    let mut tx = pool.begin().await?;
    let decision = publish_in(&mut tx, artifact, run, rows, force).await?;
    tx.commit().await?;
    Ok(decision)
}

/// [`publish`] within the caller's transaction.
pub(super) async fn publish_in(
    conn: &mut PgConnection,
    artifact: Artifact,
    run: RunId,
    rows: u64,
    force: bool,
) -> Result<PublishDecision, StorageError> {
    let before = sqlx::query!(
        "SELECT r.row_count, r.started_at > (SELECT started_at FROM artifact_runs WHERE run_id = $2) AS newer
         FROM artifact_heads h JOIN artifact_runs r USING (run_id) WHERE h.artifact = $1 FOR UPDATE OF h",
        artifact.as_str(),
        run.0,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let mut decision = match &before {
        _ if force => PublishDecision::Publish,
        Some(head) if head.newer == Some(true) => {
            PublishDecision::HoldBack { reason: "a run that started later is already published".into() }
        }
        head => publish_decision(rows, head.as_ref().map(|head| head.row_count.unsigned_abs())),
    };
    // Force publishes a small run, never an empty one: there would be nothing to read.
    if rows == 0 {
        decision = publish_decision(rows, None);
    }
    match &decision {
        PublishDecision::Publish => move_head(conn, artifact, run, rows).await?,
        PublishDecision::HoldBack { reason } => {
            sqlx::query!(
                "UPDATE artifact_runs SET status = 'held', row_count = $2, note = $3 WHERE run_id = $1",
                run.0,
                rows as i64,
                reason,
            )
            .execute(&mut *conn)
            .await?;
        }
    }
    Ok(decision)
}

async fn move_head(conn: &mut PgConnection, artifact: Artifact, run: RunId, rows: u64) -> Result<(), StorageError> {
    // All of them, not only the head's: releases before migration 0009 left every run they published as `published`.
    sqlx::query!(
        "UPDATE artifact_runs SET status = 'superseded' WHERE artifact = $1 AND status = 'published'",
        artifact.as_str(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE artifact_runs SET status = 'published', row_count = $2, published_at = now() WHERE run_id = $1",
        run.0,
        rows as i64,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO artifact_heads (artifact, run_id) VALUES ($1, $2)
         ON CONFLICT (artifact) DO UPDATE SET run_id = excluded.run_id",
        artifact.as_str(),
        run.0,
    )
    .execute(&mut *conn)
    .await?;
    changes::bump(conn, &[artifact.family()]).await
}

/// What readers see now; `None` until a first run is published.
pub async fn head(conn: impl PgExecutor<'_>, artifact: Artifact) -> Result<Option<Head>, StorageError> {
    let row = sqlx::query!(
        r#"SELECT r.run_id, r.as_of, r.row_count, r.published_at AS "published_at!", r.watermark
           FROM artifact_heads h JOIN artifact_runs r USING (run_id) WHERE h.artifact = $1"#,
        artifact.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Head {
        run_id: RunId(row.run_id),
        as_of: row.as_of,
        row_count: row.row_count,
        published_at: row.published_at,
        watermark: row.watermark.map(Hour::of),
    }))
}

/// The run that readers saw at the end of that day, if it is still kept: of the published ones that have seen no later
/// day's facts, the newest.
pub async fn as_of(pool: &PgPool, artifact: Artifact, day: NaiveDate) -> Result<Option<Head>, StorageError> {
    let row = sqlx::query!(
        r#"SELECT run_id, as_of, row_count, published_at AS "published_at!", watermark
           FROM artifact_runs WHERE artifact = $1 AND as_of <= $2 AND status IN ('published', 'superseded')
           ORDER BY as_of DESC, started_at DESC LIMIT 1"#,
        artifact.as_str(),
        day,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Head {
        run_id: RunId(row.run_id),
        as_of: row.as_of,
        row_count: row.row_count,
        published_at: row.published_at,
        watermark: row.watermark.map(Hour::of),
    }))
}

/// The run of this artifact that this job has already published, with its rows: how a job that is taken up again knows
/// that only its end was not written down.
pub async fn finished_by(pool: &PgPool, artifact: Artifact, job: JobId) -> Result<Option<(RunId, i64)>, StorageError> {
    let row = sqlx::query!(
        "SELECT run_id, row_count FROM artifact_runs
         WHERE artifact = $1 AND job_id = $2 AND status IN ('published', 'superseded')
         ORDER BY started_at DESC LIMIT 1",
        artifact.as_str(),
        job.0,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| (RunId(row.run_id), row.row_count)))
}

/// Runs that may go: published and superseded ones past the newest `kept`, held ones likewise, and staged ones whose job
/// no longer runs. Never a head.
pub async fn collectable(pool: &PgPool, artifact: Artifact, kept: u32) -> Result<Vec<RunId>, StorageError> {
    let ids = sqlx::query_scalar!(
        "WITH numbered AS (
             SELECT run_id, status, job_id,
                    row_number() OVER (PARTITION BY replace(status, 'superseded', 'published')
                                       ORDER BY started_at DESC) AS n
             FROM artifact_runs WHERE artifact = $1)
         SELECT run_id FROM numbered
         WHERE run_id NOT IN (SELECT run_id FROM artifact_heads)
           AND CASE status WHEN 'staged'
                   THEN NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job_id = numbered.job_id
                                    AND j.status IN ('queued', 'running', 'retrying'))
                   ELSE n > $2 END",
        artifact.as_str(),
        i64::from(kept),
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(RunId).collect())
}

/// Deletes a run and its rows; answers how many rows of the artifact itself those were.
pub async fn delete_run(pool: &PgPool, artifact: Artifact, run: RunId) -> Result<u64, StorageError> {
    let mut tx = pool.begin().await?;
    let mut rows = 0;
    for table in artifact.spec().tables.iter().rev() {
        rows = delete_rows(&mut tx, *table, run).await?;
    }
    sqlx::query!("DELETE FROM artifact_runs WHERE run_id = $1", run.0).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(rows)
}

async fn delete_rows(conn: &mut PgConnection, table: Table, run: RunId) -> Result<u64, StorageError> {
    // Not checked against the schema when compiled; the table's name is checked to be one, and a test runs it for all.
    let sql = AssertSqlSafe(format!("DELETE FROM {} WHERE run_id = $1", table.name()));
    Ok(sqlx::query(sql).bind(run.0).execute(conn).await?.rows_affected())
}
