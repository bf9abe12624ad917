//! Definition of the job `trends`: daily series of rating, popularity and sentiment.

use serde::{Deserialize, Serialize};

use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `trends`: daily series of rating, popularity and sentiment, of all movies and of each genre.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trends {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for Trends {
    const KIND: JobKind = JobKind::Trends;
    const DEFINITION: Definition = Definition {
        schedule: Some(Schedule {
            cron: "0 0 4 * * *",
            reason: "twenty minutes for sentiment; if that takes longer, sentiment's trend is a day behind",
        }),
        artifact: Some(ArtifactSpec {
            name: "temporal_trends",
            tables: &[Table::new("temporal_trends")],
            family: CacheFamily::Trends,
        }),
        triggers: &["compute/trends"],
        compute_step: Some(60),
        ..Definition::new("trends", "daily series of rating, popularity and sentiment, of all movies and of each genre")
    };
}
