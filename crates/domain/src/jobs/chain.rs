//! Chains: jobs made of other jobs, one after the other.

use serde_json::Value;

use super::{JobKind, JobType};

/// One step of a chain: another kind of job and its payload. A kind is a step of a chain once at most, since its name
/// is what the ledger records the step under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What runs.
    pub kind: JobKind,
    /// The options it runs with.
    pub payload: Value,
}

/// A job whose work is a list of steps. The ledger records each step that is done, so a chain that is taken up again
/// goes on at the step that broke.
pub trait Chain: JobType {
    /// The steps in order. For one payload always the same ones, since a later attempt asks again.
    fn steps(&self) -> Vec<Step>;
}
