//! The frame of every compute job: open a run, stage rows, publish or hold back.

use chrono::NaiveDate;
use domain::RunId;
use domain::artifacts::{Artifact, Verdict};
use serde_json::{Value, json};
use sqlx::PgPool;
use storage::postgres::artifacts;

use crate::{JobContext, JobError};

/// Stages rows with `stage`, which answers how many there are, and publishes the run. A job taken up again after it had
/// published does nothing: its run is there. Rows of an attempt that died stay invisible until collect-runs.
pub(super) async fn staged<F>(
    pool: &PgPool,
    context: &JobContext,
    artifact: Artifact,
    as_of: NaiveDate,
    force: bool,
    stage: impl FnOnce(RunId) -> F,
) -> Result<Value, JobError>
where
    F: Future<Output = Result<u64, JobError>>,
{
    if let Some((run, rows)) = artifacts::finished_by(pool, artifact, context.job_id).await? {
        return Ok(json!({ "artifact": artifact, "run_id": run, "rows": rows, "outcome": "publish" }));
    }
    let run = artifacts::begin(pool, artifact, context.job_id, as_of).await?;
    let rows = stage(run).await?;
    let verdict = artifacts::publish(pool, artifact, run, rows, force).await?;
    if let Verdict::HoldBack { reason } = &verdict {
        tracing::warn!(artifact = artifact.as_str(), %run, reason, "run held back");
    }
    let mut result = json!({ "artifact": artifact, "run_id": run, "rows": rows, "as_of": as_of });
    if let (Value::Object(result), Value::Object(verdict)) = (&mut result, json!(verdict)) {
        result.extend(verdict);
    }
    Ok(result)
}
