//! `POST /reviews`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::Utc;
use domain::ReviewId;
use domain::events::{Fact, ReviewRequest, validate_review};
use serde::Serialize;
use utoipa::ToSchema;

use super::events::{append, count_refused, refused};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::Body;

/// Maximum size of the body in bytes: 10,000 characters (`REVIEW_CHARS_MAX` in domain), each escaped to twelve bytes.
const REVIEW_BYTES_MAX: usize = 128 * 1024;

/// An accepted review.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewAccepted {
    /// `accepted`.
    status: &'static str,
    #[schema(example = "Review queued for processing")]
    message: &'static str,
    #[schema(value_type = uuid::Uuid)]
    review_id: ReviewId,
}

/// Post a review.
///
/// It is stored durably in the event log before the answer is sent; its movie's sentiment includes it within about a
/// second. A review of a movie that is not in the catalogue yet waits for it.
#[utoipa::path(
    post, path = "/api/v1/reviews", operation_id = "add_review", tag = "events",
    request_body(content = ReviewRequest, content_type = "application/json"),
    responses(
        (status = 202, body = ReviewAccepted),
        (status = 400, description = "The body is not a valid review", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The movie's name is unknown, or the movie is and no more facts can wait for it", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The event log or the waiting room is full, or the log unreachable, or the database where a movie is named by IMDb id or alias; retry after `Retry-After` seconds", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn add(
    state: Data<State>,
    Body(sent): Body<ReviewRequest, REVIEW_BYTES_MAX>,
) -> Result<HttpResponse, ApiError> {
    let names = state.names.resolve(sent.name().into_iter().collect()).await?;
    let review = validate_review(sent, &names, Utc::now()).map_err(refused)?;
    if let Some(refusal) = state.admission.refused(std::iter::once(review.movie_id)).await.remove(&review.movie_id) {
        count_refused(refusal);
        return Err(refusal.into());
    }
    let review_id = review.review_id;
    append(&state, &[Fact::Review(review)]).await?;
    Ok(HttpResponse::Accepted().json(ReviewAccepted {
        status: "accepted",
        message: "Review queued for processing",
        review_id,
    }))
}
