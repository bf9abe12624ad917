//! Definition of the job `generate-recommendations`: the nightly lists of the active model.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Table};
use crate::artifacts::CacheFamily;

/// The job `generate-recommendations`: computes the artifact batch_recommendations with the active model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateRecommendations {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for GenerateRecommendations {
    const KIND: JobKind = JobKind::GenerateRecommendations;
    const DEFINITION: Definition = Definition {
        timeout: minutes(2 * 60),
        artifact: Some(ArtifactSpec {
            name: "batch_recommendations",
            tables: &[Table::partitioned("batch_recommendations")],
            family: CacheFamily::Recommendations,
        }),
        triggers: &["compute/user-recommendations"],
        compute_step: Some(105),
        ..Definition::new("generate-recommendations", "computes every viewer's list with the active model")
    };
}
