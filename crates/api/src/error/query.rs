//! Converts errors of the crate `query` into API errors.

use domain::artifacts::Artifact;
use query::QueryError;

use super::ApiError;
use crate::paths::PREFIX;

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::NotFound { field, what } => Self::NotFound { field, what },
            QueryError::NotComputed { artifact } => {
                Self::NotComputed { artifact: artifact.as_str(), trigger: trigger(artifact) }
            }
            QueryError::NotReady => Self::NotReady(error.to_string()),
            QueryError::TooManyStreamsOfClient { limit } => Self::TooManyStreamsOfClient { limit },
            QueryError::TooManyStreams => Self::TooManyStreams,
            QueryError::Storage(error) => Self::Storage(error),
            QueryError::Internal(cause) => Self::Internal(cause.into()),
        }
    }
}

/// Returns the path of the admin endpoint that computes the artifact.
fn trigger(artifact: Artifact) -> String {
    let path = artifact.job().definition().triggers.first().copied().unwrap_or_default();
    format!("{PREFIX}/admin/{path}")
}
