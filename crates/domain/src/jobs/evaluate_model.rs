//! Definition of the job `evaluate-model`, which measures a version on viewers that it was not trained on, beside popularity, kNN and the active version.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType};

/// The job `evaluate-model`: measures a version on viewers that it was not trained on, beside popularity, kNN and the active version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateModel {
    /// The version; `None`: the one that the chain has trained, else the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl JobType for EvaluateModel {
    const KIND: JobKind = JobKind::EvaluateModel;
    const DEFINITION: Definition = Definition {
        timeout: minutes(60),
        ..Definition::new("evaluate-model", "measures a version of the recommender on held-out viewers")
    };
}
