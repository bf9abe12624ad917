//! Runs compute-all: the chain of every job that computes an artifact, then the search index.

use domain::jobs::ComputeAll;
use serde_json::Value;

use super::{Run, chain};
use crate::{JobContext, JobError, Shared};

impl Run for ComputeAll {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        chain::run(shared, context, &self).await
    }
}
