//! Definition of the job `promote-model`, which makes a version the active one unless its evaluation shows it worse than the active one, and deletes old versions.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType};

/// The job `promote-model`: makes a version the active one unless its evaluation shows it worse than the active one, and deletes old versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromoteModel {
    /// The version; `None`: the one that the chain has trained, else the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl JobType for PromoteModel {
    const KIND: JobKind = JobKind::PromoteModel;
    const DEFINITION: Definition = Definition {
        timeout: minutes(60),
        ..Definition::new(
            "promote-model",
            "makes a version of the recommender active unless it is worse than the active one",
        )
    };
}
