//! Definition of the job `probe`, which `moviemetric doctor` and the tests use to check that jobs run.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType, Queue};

/// The job `probe`: occupies a worker slot for `hold_ms` and does nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// Milliseconds to occupy the slot, at most [`Probe::MAX_HOLD_MS`]; `None` means 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
}

impl Probe {
    /// Upper bound of `hold_ms`, in milliseconds: well within the time limit.
    pub const MAX_HOLD_MS: u64 = 300_000;
}

impl JobType for Probe {
    const KIND: JobKind = JobKind::Probe;
    const DEFINITION: Definition = Definition {
        queue: Queue::Maintenance,
        timeout: minutes(10),
        ..Definition::new("probe", "holds a worker slot for a while and does nothing")
    };
}
