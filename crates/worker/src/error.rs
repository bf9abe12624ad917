//! Errors of jobs. The type decides whether the job is retried.

use domain::jobs::{JobKind, PayloadError};
use storage::StorageError;

use crate::Stopped;

/// A job's failure. Its text is stored in the ledger for an operator.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Another attempt may succeed: a server is unavailable, a lock is taken.
    #[error("{0}")]
    Transient(String),
    /// The job must wait for another one. It is asked again without end and without spending attempts.
    #[error("{0}")]
    Waiting(String),
    /// Another attempt would fail too: a wrong key, no input data.
    #[error("{0}")]
    Permanent(String),
}

impl JobError {
    /// Whether the job should be retried.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }

    /// The failure of a chain, prefixed with the step that failed.
    pub(crate) fn in_step(self, kind: JobKind) -> Self {
        match self {
            Self::Transient(text) => Self::Transient(format!("{kind}: {text}")),
            Self::Waiting(text) => Self::Waiting(format!("{kind}: {text}")),
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
