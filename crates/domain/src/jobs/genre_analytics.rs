//! Definition of the job `genre-analytics`.

use serde::{Deserialize, Serialize};

use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `genre-analytics`: statistics of each genre by year and month of release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenreAnalytics {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for GenreAnalytics {
    const KIND: JobKind = JobKind::GenreAnalytics;
    const DEFINITION: Definition = Definition {
        schedule: Some(Schedule {
            cron: "0 10 4 * * *",
            reason: "after sentiment too, and apart from the search index's Monday",
        }),
        artifact: Some(ArtifactSpec {
            name: "genre_analytics",
            tables: &[Table::new("genre_analytics")],
            family: CacheFamily::Analytics,
        }),
        triggers: &["compute/genre-analytics"],
        compute_step: Some(70),
        ..Definition::new("genre-analytics", "statistics of each genre by year and month of release")
    };
}
