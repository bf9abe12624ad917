//! Definition of the job `train-recommender`: a new model from training to published lists.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::definition::minutes;
use super::{Chain, Definition, JobKind, JobType, Schedule, Step};

/// The job `train-recommender`: train, evaluate, promote, generate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRecommender {}

impl JobType for TrainRecommender {
    const KIND: JobKind = JobKind::TrainRecommender;
    const DEFINITION: Definition = Definition {
        timeout: minutes(6 * 60),
        schedule: Some(Schedule {
            cron: "0 50 4 * * *",
            reason: "after the other statistics, since training keeps all cores busy; lists are new before the morning",
        }),
        triggers: &["compute/recommender"],
        ..Definition::new(
            "train-recommender",
            "trains, evaluates and promotes a model, then computes every viewer's list",
        )
    };
}

impl Chain for TrainRecommender {
    fn steps(&self) -> Vec<Step> {
        [JobKind::TrainModel, JobKind::EvaluateModel, JobKind::PromoteModel, JobKind::GenerateRecommendations]
            .map(|kind| Step { kind, payload: json!({}) })
            .to_vec()
    }
}
