//! Runs of artifacts: staged, published by moving the head, deleted later.

use chrono::{DateTime, NaiveDate, Utc};
use domain::artifacts::{Artifact, PublishDecision, publish_decision};
use domain::hours::Hour;
use domain::jobs::Table;
use domain::{JobId, RunId};
use sqlx::{Acquire, AssertSqlSafe, PgConnection, PgExecutor, PgPool, Postgres};

use super::changes;
use crate::StorageError;

/// The published run of an artifact, which readers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The run's id.
    pub run_id: RunId,
    /// The last day whose facts the run includes.
    pub as_of: NaiveDate,
    /// Number of rows of the artifact.
    pub row_count: i64,
    /// When the run was published.
    pub published_at: DateTime<Utc>,
    /// For runs over events: the run contains every fact of the hours before this one (see [`super::batch`]). `None`
    /// for other artifacts.
    pub watermark: Option<Hour>,
}

/// Opens a run and returns its id. Rows are written under this id and stay invisible until [`publish`].
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

/// Publishes a run of `rows` rows and makes cached answers of the previous run unreachable, in one transaction; the
/// previous run becomes `superseded`, and `as_of` still finds it. Unless `force`, a suspiciously small run is held back
/// instead, and so is a run that began before the published one: a slow old job must not replace a newer result.
/// Within the caller's transaction it is part of that one; an attempt at a job publishes in its fenced transaction.
pub async fn publish(
    conn: impl Acquire<'_, Database = Postgres>,
    artifact: Artifact,
    run: RunId,
    rows: u64,
    force: bool,
) -> Result<PublishDecision, StorageError> {
    let mut tx = conn.begin().await?;
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
    let published = before.as_ref().map(|head| head.row_count.unsigned_abs());
    let decision = match &before {
        // `force` publishes a small run, but never one that would leave readers with nothing.
        _ if force && rows > 0 => PublishDecision::Publish,
        Some(head) if head.newer == Some(true) => {
            PublishDecision::HoldBack { reason: "a run that started later is already published".into() }
        }
        _ => publish_decision(artifact, rows, published),
    };
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
    // All of them, not only the head: releases before migration 0009 left every run they published as `published`.
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

/// The published run; `None` until the first run is published.
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

/// The run that was published at the end of that day, if it is still kept: the newest of the runs that include no later
/// day's facts.
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

/// The run of this artifact that this job has already published, and its number of rows. A job that resumes after
/// publishing finds it, so that it does not compute the artifact again.
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

/// Runs that may be deleted: published and superseded runs beyond the newest `kept`, held runs likewise, and staged
/// runs whose job no longer runs. Never a head.
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

/// Deletes a run and its rows; returns the number of deleted rows of the artifact itself.
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

/// Creates the partition of a run.
pub(super) async fn create_partition(conn: &mut PgConnection, table: Table, run: RunId) -> Result<(), StorageError> {
    let (name, partition) = (table.name(), partition(table, run));
    // Attaching takes a weaker lock than `PARTITION OF`: readers of other runs do not wait.
    for sql in [
        format!("CREATE TABLE {partition} (LIKE {name} INCLUDING ALL)"),
        format!("ALTER TABLE {name} ATTACH PARTITION {partition} FOR VALUES IN ('{}')", run.0),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    Ok(())
}

fn partition(table: Table, run: RunId) -> String {
    format!("{}_{}", table.name(), run.0.simple())
}

async fn delete_rows(conn: &mut PgConnection, table: Table, run: RunId) -> Result<u64, StorageError> {
    if table.is_partitioned() {
        // Rows are counted first: dropping a partition tells nothing.
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {} WHERE run_id = $1", table.name()));
        let rows: i64 = sqlx::query_scalar(sql).bind(run.0).fetch_one(&mut *conn).await?;
        let sql = AssertSqlSafe(format!("DROP TABLE IF EXISTS {}", partition(table, run)));
        sqlx::query(sql).execute(conn).await?;
        return Ok(rows.unsigned_abs());
    }
    // sqlx cannot check this statement at compile time; `Table` guarantees a valid name, and a test executes it for
    // every table.
    let sql = AssertSqlSafe(format!("DELETE FROM {} WHERE run_id = $1", table.name()));
    Ok(sqlx::query(sql).bind(run.0).execute(conn).await?.rows_affected())
}
