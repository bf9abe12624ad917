//! Definition of the job `collect-runs`, which deletes rows that nobody reads any more.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType, Queue, Schedule};

/// The job `collect-runs`: deletes artifact runs beyond the number kept, and old ledger rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CollectRuns {}

impl JobType for CollectRuns {
    const KIND: JobKind = JobKind::CollectRuns;
    const DEFINITION: Definition = Definition {
        queue: Queue::Maintenance,
        timeout: minutes(10),
        schedule: Some(Schedule {
            cron: "0 45 5 * * *",
            reason: "once the night's runs are published, the eighth-oldest goes",
        }),
        ..Definition::new("collect-runs", "deletes artifact runs past the number kept, and old ledger rows")
    };
}
