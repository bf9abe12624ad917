//! Reviews of viewers, taken in.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use domain::ReviewId;
use domain::events::{Fact, NewReview, validate_review};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::events::{append, refused};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::Body;

/// Largest body taken: ten thousand characters (domain, `REVIEW_CHARS_MAX`), each escaped to twelve bytes.
const REVIEW_BYTES_MAX: usize = 128 * 1024;

/// A review as it is sent.
#[derive(Debug, ToSchema)]
pub struct ReviewRequest {
    /// Made if absent. A review sent twice under one id counts once.
    pub review_id: Option<Uuid>,
    #[schema(minimum = 1)]
    pub user_id: Option<i64>,
    #[schema(minimum = 1, example = 550)]
    pub movie_id: i64,
    #[schema(min_length = 1, max_length = 10_000, example = "A wonderful film, I loved it.")]
    pub content: String,
    #[schema(minimum = 0.5, maximum = 10)]
    pub rating: Option<f32>,
    /// Now if absent; at most 5 minutes ahead and 30 days ago.
    pub occurred_at: Option<DateTime<Utc>>,
}

/// A review that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewAccepted {
    #[schema(value_type = Uuid)]
    review_id: ReviewId,
}

/// Take a review.
///
/// It is safe in the event log when the answer comes; the sentiment of its movie has it within a second or so.
#[utoipa::path(
    post, path = "/api/v1/reviews", operation_id = "add_review", tag = "events",
    request_body(content = ReviewRequest, content_type = "application/json"),
    responses(
        (status = 202, body = ReviewAccepted),
        (status = 400, description = "No review", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The event log is full or away; retry after `Retry-After` seconds", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn add(state: Data<State>, Body(sent): Body<NewReview, REVIEW_BYTES_MAX>) -> Result<HttpResponse, ApiError> {
    let review = validate_review(sent, Utc::now()).map_err(refused)?;
    let review_id = review.review_id;
    append(&state, &[Fact::Review(review)]).await?;
    Ok(HttpResponse::Accepted().json(ReviewAccepted { review_id }))
}
