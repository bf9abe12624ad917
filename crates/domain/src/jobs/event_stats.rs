//! What viewers did, by movie and hour.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `event-stats`: recounts what viewers did, by movie and hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventStats {
    /// Publish even a run that would be held back for being suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for EventStats {
    const KIND: JobKind = JobKind::EventStats;
    const DEFINITION: Definition = Definition {
        // Reads every event.
        timeout: minutes(3 * 60),
        schedule: Some(Schedule {
            cron: "0 10 1 * * *",
            reason: "yesterday's events are in, stragglers of an hour included; it needs nothing of ingest's",
        }),
        artifact: Some(ArtifactSpec {
            name: "batch_stats_hourly",
            tables: &[Table::new("batch_stats_hourly"), Table::new("batch_stats_total")],
            // What viewers did shows on the movie's page.
            family: CacheFamily::Movies,
        }),
        triggers: &["compute/event-stats"],
        compute_step: Some(40),
        ..Definition::new("event-stats", "recounts what viewers did, by movie and hour")
    };
}
