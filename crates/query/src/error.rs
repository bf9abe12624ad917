//! Reasons why a question has no answer.

use std::sync::Arc;

use domain::artifacts::Artifact;
use storage::StorageError;

/// Why a question could not be answered. It is `Clone`, because several readers may wait for one read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The question names something that does not exist; `field` is the question's field that names it.
    #[error("there is no {what}")]
    NotFound { field: &'static str, what: String },
    /// No run of the artifact was ever published.
    #[error("{} has not been computed yet", artifact.as_str())]
    NotComputed { artifact: Artifact },
    /// The active movies are not loaded yet ([`crate::active`]).
    #[error("the active movies are still being loaded")]
    NotReady,
    /// The maximum number of followers is reached ([`crate::active::Watched`]).
    #[error("too many rankings are being followed")]
    TooManyStreams,
    /// The client has reached its maximum number of followers.
    #[error("this client follows {limit} rankings already")]
    TooManyStreamsOfClient { limit: usize },
    /// A store failed or is unreachable.
    #[error(transparent)]
    Storage(Arc<StorageError>),
    /// A defect of this program.
    #[error("{0}")]
    Internal(String),
}

impl From<StorageError> for QueryError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl QueryError {
    /// The error for a movie, named by the question's `field`, that the catalogue does not have or no longer shows.
    pub(crate) fn no_movie(field: &'static str, id: domain::MovieId) -> Self {
        Self::NotFound { field, what: format!("movie {id}") }
    }
}
