//! Runs train-recommender: the chain from training to published lists.

use domain::jobs::TrainRecommender;
use serde_json::Value;

use super::{Run, chain};
use crate::{JobContext, JobError, Shared};

impl Run for TrainRecommender {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        chain::run(shared, context, &self).await
    }
}
