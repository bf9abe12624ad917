//! Runs a chain. Each finished step is a row, so an attempt after a failure or a dead worker resumes at the step that
//! failed.

use domain::jobs::{Chain, Step};
use serde_json::{Map, Value};
use storage::postgres::jobs::steps;

use crate::{JobContext, JobError, Shared};

/// Runs the steps that are not finished yet. The result contains each step's result by name, from whatever attempt.
pub(super) async fn run(shared: &Shared, context: &JobContext, chain: &impl Chain) -> Result<Value, JobError> {
    let steps = chain.steps();
    let mut finished = steps::finished(context.pool(), context.job_id).await?;
    for (position, Step { kind, payload }) in steps.iter().enumerate() {
        let kind = *kind;
        if finished.contains_key(&kind) {
            tracing::info!(job = %context.job_id, step = %kind, "finished by an earlier attempt");
            continue;
        }
        let context = context.step(position, steps.len(), kind, finished.clone());
        context.progress(0, None, "starting");
        written(steps::begin(context.pool(), context.lease(), kind, position as i32).await?)?;
        let result = super::run(kind, payload.clone(), shared, &context).await.map_err(|error| error.in_step(kind))?;
        let mut tx = context.begin().await?;
        written(steps::finish(&mut *tx, context.lease(), kind, &result).await?)?;
        tx.commit_progress().await?;
        finished.insert(kind, result);
        context.progress(1, Some(1), "done");
    }
    let results = steps.iter().filter_map(|step| Some((step.kind.as_str().to_owned(), finished.remove(&step.kind)?)));
    Ok(Value::Object(results.collect::<Map<_, _>>()))
}

/// Turns a refused write into an error. The next heartbeat is refused as well, so the attempt ends without writing to
/// the ledger.
fn written(written: bool) -> Result<(), JobError> {
    if written { Ok(()) } else { Err(JobError::Transient("the lease was lost between two steps".to_owned())) }
}
