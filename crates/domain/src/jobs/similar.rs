//! Similar titles; seed 3 says "recommendations", which is still understood.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `similar`: finds the titles most similar to each movie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Similar {
    /// Publish even a run that would be held back for being suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for Similar {
    const KIND: JobKind = JobKind::Similar;
    const DEFINITION: Definition = Definition {
        // Seed 3's word.
        aliases: &["recommendations"],
        timeout: minutes(3 * 60),
        schedule: Some(Schedule {
            cron: "0 0 5 * * 1",
            reason: "similar titles move slowly, and the job is the longest",
        }),
        // Seed 3's name of the table.
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
