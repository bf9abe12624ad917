//! Holds a worker slot and does nothing: how doctor and the tests see that jobs flow.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType, Queue};

/// The job `probe`: does nothing for `hold_ms`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// Milliseconds to hold the slot, at most [`Probe::MAX_HOLD_MS`]; `None` is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
}

impl Probe {
    /// Longest hold, in milliseconds: well within the time-out.
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
