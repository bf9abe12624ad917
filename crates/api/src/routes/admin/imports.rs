//! Imports what a viewer did at another service.

use actix_web::HttpResponse;
use actix_web::web::{self, Data};
use chrono::Utc;
use sources::history::read;
use storage::postgres::history::import;

use super::fresh;
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{Upload, ViewerInPath};

/// Maximum size of an export in bytes; a diary of ten thousand entries has one MB.
const EXPORT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Import a viewer's history from another service.
///
/// The body is the export itself: Letterboxd's ZIP or one of its CSV files, Trakt's JSON, IMDb's CSV of ratings, or a CSV
/// like MovieLens'. Entries may be of any age, and importing them again adds nothing. The answer has the numbers
/// `matched` (entries whose movie was found), `added` (new facts) and `unmatched`, the list `unmatched_movies` with place,
/// reason and candidates, and the list `unreadable`.
#[utoipa::path(
    post, path = "/api/v1/viewers/{user_id}/imports", operation_id = "import_history", tag = "admin",
    params(("user_id" = String, Path, description = "The viewer's name", example = "user_123")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = Object),
        (status = 400, description = "The body is no export of a known format", body = Problem,
         content_type = "application/problem+json"),
        (status = 413, description = "The export is too large; split it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Another import is running, or the database is away", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn add(
    state: Data<State>,
    ViewerInPath(viewer): ViewerInPath,
    Upload(body): Upload<EXPORT_BYTES_MAX>,
) -> Result<HttpResponse, ApiError> {
    // One at a time: an export unpacks to tens of megabytes.
    let _turn = state
        .importing
        .try_acquire()
        .map_err(|_| ApiError::NotReady("another history is being imported; send this again later".to_owned()))?;
    let history = web::block(move || read(&body, Utc::now()))
        .await
        .map_err(|error| ApiError::Internal(error.to_string().into()))?
        .map_err(|error| ApiError::InvalidBody { field: None, reason: error.to_string() })?;
    let report = import(&state.pool, &viewer, history).await?;
    tracing::info!(matched = report.matched, added = report.added, unmatched = report.unmatched, "history imported");
    Ok(fresh(&report))
}
