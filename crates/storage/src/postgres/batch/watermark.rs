//! Watermarks: the hour before which a run contains every fact, and the treatment of late facts.
//!
//! A run reads the facts in one snapshot and is published minutes later. For an hour below its watermark that changed
//! in between, the run's answer is outdated, so publishing reopens the hour for the speed layer (domain/merge.rs), and
//! closes the hours whose last change the snapshot includes. The column `version`, the transaction of the last change,
//! decides.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::RunId;
use domain::artifacts::{Artifact, PublishDecision};
use domain::hours::Hour;
use sqlx::{Acquire, PgConnection, PgExecutor, PgPool, Postgres, Transaction};

use crate::StorageError;
use crate::postgres::artifacts;

/// A run over events: it contains every fact of the hours before `watermark` that is visible in `snapshot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRun {
    pub run_id: RunId,
    pub watermark: Hour,
    pub snapshot: Snapshot,
}

impl EventRun {
    /// The last day whose facts the run includes, completely or in part.
    pub fn as_of(watermark: Hour) -> NaiveDate {
        (watermark.start() - TimeDelta::hours(1)).date_naive()
    }
}

/// The set of transactions visible to a reader, in PostgreSQL's notation (`pg_snapshot`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(String);

/// Opens a transaction that sees all facts as of now, and returns it with its snapshot.
pub async fn snapshot(pool: &PgPool) -> Result<(Transaction<'static, Postgres>, Snapshot), StorageError> {
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let seen = sqlx::query_scalar!(r#"SELECT pg_current_snapshot()::text AS "seen!""#).fetch_one(&mut *tx).await?;
    Ok((tx, Snapshot(seen)))
}

/// The watermark of the published run; `None` where no run was ever published.
pub async fn watermark(conn: impl PgExecutor<'_>, artifact: Artifact) -> Result<Option<Hour>, StorageError> {
    let at = sqlx::query_scalar!(
        "SELECT r.watermark FROM artifact_heads h JOIN artifact_runs r USING (run_id) WHERE h.artifact = $1",
        artifact.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(at.flatten().map(Hour::of))
}

/// Reads [`watermark`] and takes a shared lock, so that no other run is published until the caller's transaction ends.
/// The speed layer uses it: the owner of an hour must not change between its read and its write. Several transactions
/// may hold the lock.
pub async fn hold_watermark(conn: &mut PgConnection, artifact: Artifact) -> Result<Option<Hour>, StorageError> {
    sqlx::query!("SELECT pg_advisory_xact_lock_shared(hashtext('watermark'), hashtext($1))", artifact.as_str())
        .execute(&mut *conn)
        .await?;
    watermark(conn, artifact).await
}

/// Publishes a run over events like [`artifacts::publish`], and in the same transaction sets which hours are reopened.
pub async fn publish(
    conn: impl Acquire<'_, Database = Postgres>,
    artifact: Artifact,
    run: &EventRun,
    rows: u64,
    force: bool,
) -> Result<PublishDecision, StorageError> {
    let mut tx = conn.begin().await?;
    // Waits for the speed layer's transactions that read the old watermark; later ones will read the new one.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('watermark'), hashtext($1))", artifact.as_str())
        .execute(&mut *tx)
        .await?;
    let watermark = run.watermark.start();
    sqlx::query!("UPDATE artifact_runs SET watermark = $2 WHERE run_id = $1", run.run_id.0, watermark)
        .execute(&mut *tx)
        .await?;
    // Even `force` must not publish an older run: the speed layer may have dropped rows that only the newer run
    // contains.
    let force = force && !newer_is_published(&mut tx, artifact, run.run_id).await?;
    let decision = artifacts::publish_in(&mut tx, artifact, run.run_id, rows, force).await?;
    if decision == PublishDecision::Publish {
        reopen(&mut tx, artifact, watermark, &run.snapshot).await?;
    }
    tx.commit().await?;
    Ok(decision)
}

async fn newer_is_published(conn: &mut PgConnection, artifact: Artifact, run: RunId) -> Result<bool, StorageError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM artifact_heads h JOIN artifact_runs r USING (run_id)
                          WHERE h.artifact = $1
                            AND r.started_at > (SELECT started_at FROM artifact_runs WHERE run_id = $2)) AS "newer!""#,
        artifact.as_str(),
        run.0,
    )
    .fetch_one(conn)
    .await?)
}

/// Sets `reopened` on the hours below the watermark whose last change the run has not read, and clears it on the
/// others.
///
/// A version that this cluster has not reached yet belongs to the cluster that a dump was taken from. Such a row came
/// with its facts before the run began; if it counted as unread, it would stay reopened for ever. No row of this
/// cluster can look like that: the caller holds the lock that keeps writers out, so every version of ours is older than
/// the statement's snapshot.
async fn reopen(
    conn: &mut PgConnection,
    artifact: Artifact,
    watermark: DateTime<Utc>,
    snapshot: &Snapshot,
) -> Result<(), StorageError> {
    match artifact {
        Artifact::BatchStatsHourly => {
            sqlx::query!(
                "UPDATE speed_stats SET reopened = NOT reopened
                 WHERE hour < $1
                   AND reopened = (pg_visible_in_snapshot(version::text::xid8, $2::text::pg_snapshot)
                                   OR version::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot()))",
                watermark,
                snapshot.0,
            )
            .execute(conn)
            .await?;
        }
        Artifact::BatchSentimentHourly => {
            sqlx::query!(
                "UPDATE speed_sentiment SET reopened = NOT reopened
                 WHERE hour < $1
                   AND reopened = (pg_visible_in_snapshot(version::text::xid8, $2::text::pg_snapshot)
                                   OR version::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot()))",
                watermark,
                snapshot.0,
            )
            .execute(conn)
            .await?;
        }
        other => return Err(StorageError::Misuse(format!("{} has no watermark", other.as_str()))),
    }
    Ok(())
}
