//! Why a question has no answer.

use std::sync::Arc;

use domain::artifacts::Artifact;
use storage::StorageError;

/// A question that could not be answered. Cloned where several readers waited for one read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The question names something that does not exist; `field` is the question's field that names it.
    #[error("there is no {what}")]
    NotFound { field: &'static str, what: String },
    /// No run of the artifact was ever published.
    #[error("{} has not been computed yet", artifact.as_str())]
    NotComputed { artifact: Artifact },
    /// The active movies are not loaded yet ([`crate::active`]).
    #[error("the movies that are active now are still being read")]
    NotReady,
    /// The bound on followed rankings is reached ([`crate::active::Watched`]).
    #[error("too many rankings are followed at this time")]
    TooManyStreams,
    /// A store failed, or is away.
    #[error(transparent)]
    Storage(Arc<StorageError>),
    /// A defect of ours.
    #[error("{0}")]
    Internal(String),
}

impl From<StorageError> for QueryError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl QueryError {
    /// The question's `field` names a movie that the catalogue does not have, or no longer shows.
    pub(crate) fn no_movie(field: &'static str, id: domain::MovieId) -> Self {
        Self::NotFound { field, what: format!("movie {id}") }
    }
}
