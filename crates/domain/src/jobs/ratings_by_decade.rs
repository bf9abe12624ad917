//! Definition of the job `ratings-by-decade`.

use serde::{Deserialize, Serialize};

use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `ratings-by-decade`: counts and ratings of the movies of each decade.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RatingsByDecade {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for RatingsByDecade {
    const KIND: JobKind = JobKind::RatingsByDecade;
    const DEFINITION: Definition = Definition {
        schedule: Some(Schedule { cron: "0 30 3 * * *", reason: "after genre statistics, likewise" }),
        artifact: Some(ArtifactSpec {
            name: "ratings_by_decade",
            tables: &[Table::new("ratings_by_decade")],
            family: CacheFamily::Analytics,
        }),
        triggers: &["compute/ratings-by-decade"],
        compute_step: Some(30),
        ..Definition::new("ratings-by-decade", "counts and ratings of the movies of each decade")
    };
}
