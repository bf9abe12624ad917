//! Definition of the job `genre-stats`.

use serde::{Deserialize, Serialize};

use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `genre-stats`: counts, means and sums of each genre's movies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenreStats {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for GenreStats {
    const KIND: JobKind = JobKind::GenreStats;
    const DEFINITION: Definition = Definition {
        schedule: Some(Schedule {
            cron: "0 15 3 * * *",
            reason: "after trending, so that two scans of the catalogue do not compete",
        }),
        artifact: Some(ArtifactSpec {
            name: "genre_stats_daily",
            tables: &[Table::new("genre_stats_daily")],
            family: CacheFamily::Analytics,
        }),
        triggers: &["compute/genre-stats"],
        compute_step: Some(20),
        ..Definition::new("genre-stats", "counts, means and sums of each genre's movies")
    };
}
