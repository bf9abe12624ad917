//! How a job can fail. The type says whether trying again may help.

use domain::jobs::{JobKind, PayloadError};
use storage::StorageError;

use crate::Stopped;

/// A job's failure; its text goes to the ledger for an operator to read.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Another attempt may succeed: a server is away, a lock is taken.
    #[error("{0}")]
    Transient(String),
    /// Another attempt would fail as well: a wrong key, nothing to compute from.
    #[error("{0}")]
    Permanent(String),
}

impl JobError {
    /// Whether another attempt makes sense.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }

    /// The failure of a chain, by the step that broke.
    pub(crate) fn in_step(self, kind: JobKind) -> Self {
        match self {
            Self::Transient(text) => Self::Transient(format!("{kind}: {text}")),
            Self::Permanent(text) => Self::Permanent(format!("{kind}: {text}")),
        }
    }
}

impl From<StorageError> for JobError {
    fn from(error: StorageError) -> Self {
        if error.is_transient() { Self::Transient(error.to_string()) } else { Self::Permanent(error.to_string()) }
    }
}

impl From<Stopped> for JobError {
    fn from(stopped: Stopped) -> Self {
        Self::Transient(stopped.to_string())
    }
}

impl From<PayloadError> for JobError {
    fn from(error: PayloadError) -> Self {
        Self::Permanent(format!("the payload does not fit: {error}"))
    }
}
