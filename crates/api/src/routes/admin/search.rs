//! Starts a rebuild of the search index.

use actix_web::HttpResponse;
use actix_web::web::Data;
use domain::jobs::{JobKind, SearchIndex};

use super::{JobBody, trigger};
use crate::State;
use crate::error::ApiError;
use crate::extract::{Body, IdempotencyKey};

/// Rebuild the search index beside the live one, then swap them.
#[utoipa::path(
    post, path = "/api/v1/admin/search/build-index", operation_id = "build_search_index", tag = "admin",
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeated request with the same key returns the first job", max_length = 200)),
    responses((status = 202, body = JobBody)),
)]
pub async fn build_index(
    state: Data<State>,
    key: IdempotencyKey,
    Body(asked): Body<SearchIndex>,
) -> Result<HttpResponse, ApiError> {
    trigger(&state.pool, JobKind::SearchIndex, &asked, key).await
}
