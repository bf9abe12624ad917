//! Definition of the job `similar`: similar titles. Seed 3 calls them "recommendations"; that name is still accepted.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `similar`: finds the titles most similar to each movie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Similar {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for Similar {
    const KIND: JobKind = JobKind::Similar;
    const DEFINITION: Definition = Definition {
        // Seed 3's name of the job.
        aliases: &["recommendations"],
        timeout: minutes(3 * 60),
        schedule: Some(Schedule {
            cron: "0 0 5 * * 1",
            reason: "similar titles move slowly, and the job is the longest",
        }),
        // The table keeps seed 3's name.
        artifact: Some(ArtifactSpec {
            name: "movie_recommendations",
            tables: &[Table::new("movie_recommendations")],
            family: CacheFamily::Recommendations,
        }),
        triggers: &["compute/similar", "compute/recommendations"],
        compute_step: Some(100),
        ..Definition::new("similar", "finds the titles most similar to each movie")
    };
}
