//! Definition of the job `refresh-popular`: observations of the most popular movies for the speed layer.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType, Queue, Schedule};

/// The job `refresh-popular`: fetches the current numbers of the most popular movies from the source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefreshPopular {}

impl JobType for RefreshPopular {
    const KIND: JobKind = JobKind::RefreshPopular;
    const DEFINITION: Definition = Definition {
        queue: Queue::Maintenance,
        // The job reads at most five hundred pages; a slower run would overlap the next hour's.
        timeout: minutes(30),
        schedule: Some(Schedule {
            cron: "0 20 * * * *",
            reason: "what trends shows within the hour; at a minute when no nightly line begins",
        }),
        ..Definition::new("refresh-popular", "asks the source for the current numbers of the most popular movies")
    };
}
