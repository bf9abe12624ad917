//! Failures of the crate `query`, in the API's words.

use domain::jobs::JobKind;
use query::QueryError;

use super::ApiError;

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::NotFound { field, what } => Self::NotFound { field, what },
            QueryError::NotComputed { artifact } => Self::NotComputed {
                artifact: artifact.as_str(),
                trigger: format!("/api/v1/admin/compute/{}", JobKind::of(artifact)),
            },
            QueryError::NotReady => Self::NotReady(error.to_string()),
            QueryError::TooManyStreams => Self::TooManyStreams,
            QueryError::Storage(error) => Self::Storage(error),
            QueryError::Internal(cause) => Self::Internal(cause.into()),
        }
    }
}
