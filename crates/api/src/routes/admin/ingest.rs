//! Start an ingest.

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

/// The options of an ingest.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IngestRequest {
    /// `auto` (default) reads what changed since the last ingest where the source can still tell, everything otherwise.
    #[schema(value_type = Option<String>, example = "auto")]
    mode: Option<IngestMode>,
}

/// Ingest movies.
#[utoipa::path(
    post, path = "/api/v1/admin/ingest/run", operation_id = "run_ingest", tag = "admin",
    params(("Idempotency-Key" = Option<String>, Header, description = "Asking again with it finds the first job", max_length = 200)),
    request_body = Option<IngestRequest>, responses((status = 202, body = JobBody)), security(("admin_key" = []), ("admin_bearer" = [])),
)]
pub async fn run(
    state: Data<State>,
    key: IdempotencyKey,
    Body(asked): Body<IngestRequest>,
) -> Result<HttpResponse, ApiError> {
    trigger(&state.pool, JobKind::Ingest, &asked, key).await
}
