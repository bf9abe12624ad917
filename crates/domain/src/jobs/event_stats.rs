//! Definition of the job `event-stats`: counts of viewers' events by movie and hour.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `event-stats`: recounts viewers' events by movie and hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventStats {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for EventStats {
    const KIND: JobKind = JobKind::EventStats;
    const DEFINITION: Definition = Definition {
        // The job reads every event.
        timeout: minutes(3 * 60),
        schedule: Some(Schedule {
            cron: "0 10 1 * * *",
            reason: "yesterday's events are in, stragglers of an hour included; it needs nothing of ingest's",
        }),
        artifact: Some(ArtifactSpec {
            name: "batch_stats_hourly",
            tables: &[Table::new("batch_stats_hourly"), Table::new("batch_stats_total")],
            // The counts are part of the movie's page.
            family: CacheFamily::Movies,
        }),
        triggers: &["compute/event-stats"],
        compute_step: Some(40),
        ..Definition::new("event-stats", "recounts what viewers did, by movie and hour")
    };
}
