//! Every artifact, then the search index. Taken up again, it skips the artifacts it has already published.

use domain::jobs::JobKind;
use serde_json::{Map, Value};

use super::step;
use crate::{JobContext, JobError, Shared};

pub(super) async fn run(shared: &Shared, context: &JobContext, force: bool) -> Result<Value, JobError> {
    let steps = JobKind::COMPUTE_STEPS;
    let mut results = Map::new();
    for (index, kind) in steps.into_iter().enumerate() {
        let context = context.step(index, steps.len(), kind.as_str());
        context.progress(0, None, "starting");
        // Boxed: the steps' futures are large, and this one holds all of them.
        let result = Box::pin(step(shared, kind, &context, force)).await.map_err(|error| match error {
            JobError::Transient(text) => JobError::Transient(format!("{kind}: {text}")),
            JobError::Permanent(text) => JobError::Permanent(format!("{kind}: {text}")),
        })?;
        results.insert(kind.as_str().to_owned(), result);
        context.progress(1, Some(1), "done");
    }
    Ok(Value::Object(results))
}
