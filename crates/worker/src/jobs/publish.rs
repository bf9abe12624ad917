//! Steps common to every compute job: open a run, stage rows, publish or hold back.

use chrono::{DateTime, NaiveDate, Utc};
use domain::RunId;
use domain::artifacts::{Artifact, PublishDecision};
use domain::hours::Hour;
use serde_json::{Value, json};
use storage::postgres::artifacts;
use storage::postgres::batch::{self, EventRun, Snapshot};

use crate::{JobContext, JobError};

/// Opens a run, stages rows with `stage`, which returns their number, and publishes the run. If this job has already
/// published a run, the result is that run. An attempt that lost its lease neither stages nor publishes. Rows of a dead attempt stay invisible until collect-runs deletes them.
pub(super) async fn staged<F>(
    context: &JobContext,
    artifact: Artifact,
    as_of: NaiveDate,
    force: bool,
    stage: impl FnOnce(RunId) -> F,
) -> Result<Value, JobError>
where
    F: Future<Output = Result<u64, JobError>>,
{
    if let Some((run, rows)) = artifacts::finished_by(context.pool(), artifact, context.job_id).await? {
        return Ok(json!({ "artifact": artifact, "run_id": run, "rows": rows, "outcome": "publish" }));
    }
    let run = artifacts::begin(context.pool(), artifact, context.job_id, as_of).await?;
    let rows = stage(run).await?;
    let mut tx = context.begin().await?;
    let decision = artifacts::publish(&mut *tx, artifact, run, rows, force).await?;
    tx.commit().await?;
    Ok(concluded(json!({ "artifact": artifact, "run_id": run, "rows": rows, "as_of": as_of }), decision))
}

/// [`staged`] for a run over events: `stage` reads them in one snapshot, up to the last full hour, and returns the
/// number of rows with that snapshot.
pub(super) async fn staged_events<F>(
    context: &JobContext,
    artifact: Artifact,
    now: DateTime<Utc>,
    force: bool,
    stage: impl FnOnce(RunId, Hour) -> F,
) -> Result<Value, JobError>
where
    F: Future<Output = Result<(u64, Snapshot), JobError>>,
{
    if let Some((run, rows)) = artifacts::finished_by(context.pool(), artifact, context.job_id).await? {
        return Ok(json!({ "artifact": artifact, "run_id": run, "rows": rows, "outcome": "publish" }));
    }
    let watermark = Hour::of(now);
    let as_of = EventRun::as_of(watermark);
    let run_id = artifacts::begin(context.pool(), artifact, context.job_id, as_of).await?;
    let (rows, snapshot) = stage(run_id, watermark).await?;
    let run = EventRun { run_id, watermark, snapshot };
    let mut tx = context.begin().await?;
    let decision = batch::publish(&mut *tx, artifact, &run, rows, force).await?;
    tx.commit().await?;
    let result = json!({
        "artifact": artifact, "run_id": run_id, "rows": rows, "as_of": as_of, "watermark": watermark.start(),
    });
    Ok(concluded(result, decision))
}

/// Adds to the job's result whether the run was published or held back.
fn concluded(mut result: Value, decision: PublishDecision) -> Value {
    if let PublishDecision::HoldBack { reason } = &decision {
        tracing::warn!(run = %result["run_id"], artifact = %result["artifact"], reason, "run held back");
    }
    if let (Value::Object(result), Value::Object(decision)) = (&mut result, json!(decision)) {
        result.extend(decision);
    }
    result
}
