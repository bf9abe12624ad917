//! Start a computation.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use domain::jobs::{JobKind, JobPayload};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{JobBody, trigger};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{Body, IdempotencyKey};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ComputeRequest {
    /// Publish even a run that would be held back for being suspiciously small.
    force: bool,
}

/// Compute an artifact, or all of them.
#[utoipa::path(
    post, path = "/api/v1/admin/compute/{job}", operation_id = "run_compute", tag = "admin",
    params(
        ("job" = String, Path, description = "trending, genre-stats, ratings-by-decade, similar, event-stats, sentiment, trends, genre-analytics, actor-collaboration, predictions or all", example = "all"),
        ("Idempotency-Key" = Option<String>, Header, description = "Asking again with it finds the first job", max_length = 200),
    ),
    request_body = Option<ComputeRequest>,
    responses(
        (status = 202, body = JobBody),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
    ),
    security(("admin_key" = []), ("admin_bearer" = [])),
)]
pub async fn run(
    state: Data<State>,
    job: Path<String>,
    key: IdempotencyKey,
    Body(asked): Body<ComputeRequest>,
) -> Result<HttpResponse, ApiError> {
    let kind = kind(&job).ok_or_else(|| ApiError::NotFound {
        field: "job",
        what: "such compute job; there are trending, genre-stats, ratings-by-decade, similar, event-stats, \
               sentiment, trends, genre-analytics, actor-collaboration, predictions and all"
            .to_owned(),
    })?;
    let payload = JobPayload { force: asked.force, ..JobPayload::default() };
    trigger(&state.pool, kind, payload, key).await
}

fn kind(job: &str) -> Option<JobKind> {
    match job {
        "all" => Some(JobKind::ComputeAll),
        // Jobs that publish an artifact; the ledger has others, which are not computations.
        _ => job.parse().ok().filter(|kind: &JobKind| kind.artifact().is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_computations_can_be_started_here() {
        assert_eq!(kind("all"), Some(JobKind::ComputeAll));
        assert_eq!(kind("genre-stats"), Some(JobKind::GenreStats));
        for other in ["ingest", "search-index", "compute-all", "probe", "collect-runs", "", "Trending"] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
