//! Definition of the job `actor-collaboration`.

use serde::{Deserialize, Serialize};

use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `actor-collaboration`: finds people who appeared together in leading parts, with their number of movies and
/// mean rating.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActorCollaboration {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for ActorCollaboration {
    const KIND: JobKind = JobKind::ActorCollaboration;
    const DEFINITION: Definition = Definition {
        schedule: Some(Schedule {
            cron: "0 20 4 * * *",
            reason: "reads only credits; here so that scans of the catalogue do not compete",
        }),
        artifact: Some(ArtifactSpec {
            name: "actor_collaboration",
            tables: &[Table::new("actor_collaboration")],
            family: CacheFamily::Analytics,
        }),
        triggers: &["compute/actor-collaboration"],
        compute_step: Some(80),
        ..Definition::new(
            "actor-collaboration",
            "who appeared together in leading parts, how often, and how those movies are rated",
        )
    };
}
