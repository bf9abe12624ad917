//! How a job can fail. The type says whether trying again may help.

use storage::StorageError;

/// A job's failure; its text goes to the ledger for an operator to read.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The world may be better in a minute: a server is away, a lock is taken.
    #[error("{0}")]
    Transient(String),
    /// It will fail again: a wrong key, nothing to compute from.
    #[error("{0}")]
    Permanent(String),
}

impl JobError {
    /// Whether another attempt makes sense.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }
}

impl From<StorageError> for JobError {
    fn from(error: StorageError) -> Self {
        if error.is_transient() { Self::Transient(error.to_string()) } else { Self::Permanent(error.to_string()) }
    }
}
