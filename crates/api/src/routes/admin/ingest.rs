//! Starts an ingest.

use actix_web::HttpResponse;
use actix_web::web::Data;
use domain::ingest::IngestMode;
use domain::jobs::JobKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{JobBody, trigger};
use crate::State;
use crate::error::ApiError;
use crate::extract::{Body, IdempotencyKey};

/// Options of an ingest.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IngestRequest {
    /// `auto` (the default) reads the changes since the last ingest if the source can still list them, otherwise
    /// everything. `full` and `changes` select one.
    #[schema(value_type = Option<String>, example = "auto")]
    mode: Option<IngestMode>,
}

/// Ingest movies.
#[utoipa::path(
    post, path = "/api/v1/admin/ingest/run", operation_id = "run_ingest", tag = "admin",
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeated request with the same key returns the first job", max_length = 200)),
    request_body = Option<IngestRequest>, responses((status = 202, body = JobBody)),
)]
pub async fn run(
    state: Data<State>,
    key: IdempotencyKey,
    Body(asked): Body<IngestRequest>,
) -> Result<HttpResponse, ApiError> {
    trigger(&state.pool, JobKind::Ingest, &asked, key).await
}
