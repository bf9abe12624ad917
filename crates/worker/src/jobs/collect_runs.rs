//! Runs collect-runs: deletes artifact runs beyond the number kept, and old rows of the job ledger.

use domain::artifacts::Artifact;
use domain::jobs::CollectRuns;
use serde_json::{Value, json};
use storage::postgres::{artifacts, jobs};

use super::Run;
use crate::{JobContext, JobError, Shared};

impl Run for CollectRuns {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(shared, context).await
    }
}

async fn run(shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
    let (mut runs, mut rows) = (0, 0);
    for (done, artifact) in Artifact::ALL.into_iter().enumerate() {
        context.progress(done as i64, Some(Artifact::ALL.len() as i64), artifact.as_str());
        for run in artifacts::collectable(context.pool(), artifact, shared.settings.runs_kept).await? {
            rows += artifacts::delete_run(context.pool(), artifact, run).await?;
            runs += 1;
        }
    }
    let jobs = jobs::collect(context.pool(), shared.settings.jobs_kept_days as i32).await?;
    Ok(json!({ "runs_deleted": runs, "rows_deleted": rows, "jobs_deleted": jobs }))
}
