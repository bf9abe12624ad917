//! Lists that come from a published run.

use chrono::NaiveDate;
use domain::RunId;
use domain::artifacts::Artifact;
use serde::Serialize;
use sqlx::PgPool;
use storage::postgres::artifacts::{self, Head};
use utoipa::ToSchema;

use super::{List, PREFIX};
use crate::error::ApiError;
use crate::extract::Day;

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

/// The run that readers see, or saw on a day: see [`run_as_of`]. Its rows do not change, so reading them by its id afterwards is consistent, whatever is
/// published meanwhile.
pub async fn published(pool: &PgPool, artifact: Artifact, as_of: Option<Day>) -> Result<Head, ApiError> {
    match as_of {
        Some(day) => run_as_of(pool, artifact, "as_of", day).await,
        None => artifacts::head(pool, artifact).await?.ok_or_else(|| not_computed(artifact)),
    }
}

/// The newest published run that has seen no facts of a later day. Runs of about a week are kept; where none of them is
/// old enough, the parameter `field` is to blame.
pub async fn run_as_of(pool: &PgPool, artifact: Artifact, field: &'static str, day: Day) -> Result<Head, ApiError> {
    let run = artifacts::as_of(pool, artifact, day.get()).await?;
    run.ok_or_else(|| ApiError::NotFound { field, what: format!("run of {} as of {}", artifact.as_str(), day.get()) })
}

fn not_computed(artifact: Artifact) -> ApiError {
    let path = artifact.job().definition().triggers.first().copied().unwrap_or_default();
    ApiError::NotComputed { artifact: artifact.as_str(), trigger: format!("{PREFIX}/admin/{path}") }
}
