//! Start a computation: any job whose definition has a trigger below `compute/`.

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

/// Where the triggers of this route begin, below `/admin/`.
const TRIGGERS: &str = "compute/";

/// The job of the path. For the description it is the list of those that there are.
pub struct ComputeJob;

impl ComputeJob {
    /// The last segments of the canonical triggers.
    fn names() -> impl Iterator<Item = &'static str> {
        JobKind::ALL.into_iter().filter_map(|kind| kind.definition().triggers.first()?.strip_prefix(TRIGGERS))
    }
}

impl PartialSchema for ComputeJob {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::names())).into()
    }
}

/// The options. Every computation takes `force`; others are the job's own.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ComputeRequest {
    /// Publish even a run that would be held back for being suspiciously small.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    force: bool,
    #[serde(flatten)]
    own: Map<String, Value>,
}

/// Compute an artifact, or all of them.
#[utoipa::path(
    post, path = "/api/v1/admin/compute/{job}", operation_id = "run_compute", tag = "admin",
    params(
        ("job" = inline(ComputeJob), Path, description = "The artifact's job, or `all`", example = "all"),
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
    let kind = JobKind::triggered_at(&format!("{TRIGGERS}{job}")).ok_or_else(|| ApiError::NotFound {
        field: "job",
        what: format!("such compute job; there are {}", ComputeJob::names().collect::<Vec<_>>().join(", ")),
    })?;
    trigger(&state.pool, kind, &asked, key).await
}
