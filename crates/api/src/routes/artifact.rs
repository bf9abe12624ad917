//! Lists that come from a published run.

use chrono::NaiveDate;
use domain::RunId;
use domain::artifacts::Artifact;
use domain::jobs::JobKind;
use serde::Serialize;
use sqlx::PgPool;
use storage::postgres::artifacts::{self, Head};
use utoipa::ToSchema;

use super::List;
use crate::error::ApiError;

/// A page of a list that a run of a compute job made. All pages of one `run_id` belong together.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactList<T> {
    #[serde(flatten)]
    pub list: List<T>,
    /// The last day whose facts the run has seen.
    pub as_of: NaiveDate,
    #[schema(value_type = Uuid)]
    pub run_id: RunId,
}

impl<T> ArtifactList<T> {
    pub fn of(head: Head, list: List<T>) -> Self {
        Self { list, as_of: head.as_of, run_id: head.run_id }
    }
}

/// The run that readers see. Its rows do not change, so reading them by its id afterwards is consistent, whatever is
/// published meanwhile.
pub async fn published(pool: &PgPool, artifact: Artifact) -> Result<Head, ApiError> {
    artifacts::head(pool, artifact).await?.ok_or_else(|| not_computed(artifact))
}

fn not_computed(artifact: Artifact) -> ApiError {
    let trigger = format!("/api/v1/admin/compute/{}", JobKind::of(artifact));
    ApiError::NotComputed { artifact: artifact.as_str(), trigger }
}
