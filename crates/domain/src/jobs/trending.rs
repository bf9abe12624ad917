//! Definition of the job `trending`: the nightly ranking over the last week.

use serde::{Deserialize, Serialize};

use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `trending`: scores every active movie over the last week of daily metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trending {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for Trending {
    const KIND: JobKind = JobKind::Trending;
    const DEFINITION: Definition = Definition {
        schedule: Some(Schedule {
            cron: "0 0 3 * * *",
            reason: "an hour for a changes-mode ingest, then the artifact readers ask for most",
        }),
        artifact: Some(ArtifactSpec {
            name: "movie_trending_daily",
            tables: &[Table::new("movie_trending_daily")],
            family: CacheFamily::Trending,
        }),
        triggers: &["compute/trending"],
        compute_step: Some(10),
        ..Definition::new("trending", "scores every active movie over the last week of daily metrics")
    };
}
