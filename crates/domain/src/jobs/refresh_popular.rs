//! What the source says of the most popular movies just now, for the speed layer.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType, Queue, Schedule};

/// The job `refresh-popular`: asks the source for the current numbers of the most popular movies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefreshPopular {}

impl JobType for RefreshPopular {
    const KIND: JobKind = JobKind::RefreshPopular;
    const DEFINITION: Definition = Definition {
        queue: Queue::Maintenance,
        // Five hundred pages at most; a slower run would meet the next hour's.
        timeout: minutes(30),
        schedule: Some(Schedule {
            cron: "0 20 * * * *",
            reason: "what trends shows within the hour; at a minute when no nightly line begins",
        }),
        ..Definition::new("refresh-popular", "asks the source for the current numbers of the most popular movies")
    };
}
