//! Definition of the job `train-model`, which makes a new version of the recommender.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType};

/// The job `train-model`: trains on ratings, events and reviews, and registers the result. It changes nothing that
/// readers see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainModel {}

impl JobType for TrainModel {
    const KIND: JobKind = JobKind::TrainModel;
    const DEFINITION: Definition = Definition {
        timeout: minutes(3 * 60),
        ..Definition::new("train-model", "trains a new version of the recommender on ratings, events and reviews")
    };
}
