//! Starts a computation: any job whose definition has a trigger below `compute/`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use domain::jobs::JobKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{JobBody, trigger};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{Body, IdempotencyKey};

/// The prefix, below `/admin/`, of the triggers that this route serves.
const TRIGGERS: &str = "compute/";

/// The path parameter `{job}`. Its OpenAPI schema lists the jobs.
pub struct ComputeJob;

impl ComputeJob {
    /// Returns the last segments of the canonical triggers.
    fn names() -> impl Iterator<Item = &'static str> {
        JobKind::ALL.into_iter().filter_map(|kind| kind.definition().triggers.first()?.strip_prefix(TRIGGERS))
    }
}

impl PartialSchema for ComputeJob {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::names())).into()
    }
}

/// Options of a computation. All accept `force`; some have options of their own.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ComputeRequest {
    /// Publish the run even if it is suspiciously small and would be held back otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    force: bool,
    #[serde(flatten)]
    own: Map<String, Value>,
}

/// Compute an artifact, or all of them.
#[utoipa::path(
    post, path = "/api/v1/admin/compute/{job}", operation_id = "run_compute", tag = "admin",
    params(
        ("job" = inline(ComputeJob), Path, description = "The job that computes the artifact, or `all`", example = "all"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeated request with the same key returns the first job", max_length = 200),
    ),
    request_body = Option<ComputeRequest>,
    responses(
        (status = 202, body = JobBody),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn run(
    state: Data<State>,
    job: Path<String>,
    key: IdempotencyKey,
    Body(asked): Body<ComputeRequest>,
) -> Result<HttpResponse, ApiError> {
    let kind = JobKind::triggered_at(&format!("{TRIGGERS}{job}")).ok_or_else(|| ApiError::NotFound {
        field: "job",
        what: format!("such compute job; there are {}", ComputeJob::names().collect::<Vec<_>>().join(", ")),
    })?;
    trigger(&state.pool, kind, &asked, key).await
}
