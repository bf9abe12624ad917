//! Chains: jobs that consist of other jobs, run in sequence.

use serde_json::Value;

use super::{JobKind, JobType};

/// One step of a chain: a kind of job and its payload. A chain contains a kind at most once, since the ledger records
/// the step under the kind's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The kind of job that runs.
    pub kind: JobKind,
    /// The options of the step, as JSON.
    pub payload: Value,
}

/// A job that consists of steps. The ledger records each finished step, so a later attempt resumes at the step that
/// failed.
pub trait Chain: JobType {
    /// The steps in order. Must be the same for the same payload, since each attempt calls it again.
    fn steps(&self) -> Vec<Step>;
}
