//! Definition of the job `compute-all`: every artifact in sequence, then the search index.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::definition::minutes;
use super::payload::is_false;
use super::{Chain, Definition, JobKind, JobType, Step};

/// The job `compute-all`: runs every job that has a [`Definition::compute_step`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComputeAll {
    /// Publish runs even if they would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for ComputeAll {
    const KIND: JobKind = JobKind::ComputeAll;
    const DEFINITION: Definition = Definition {
        timeout: minutes(3 * 60),
        triggers: &["compute/all"],
        ..Definition::new("compute-all", "computes every artifact, one after the other, then the search index")
    };
}

impl Chain for ComputeAll {
    fn steps(&self) -> Vec<Step> {
        let payload = |kind: JobKind| match kind.artifact() {
            Some(_) if self.force => json!({ "force": true }),
            _ => json!({}),
        };
        JobKind::compute_steps().into_iter().map(|kind| Step { kind, payload: payload(kind) }).collect()
    }
}
