//! `POST /events`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::Utc;
use domain::EventId;
use domain::events::{EventRequest, Fact, Rejected, validate};
use serde::Serialize;
use storage::event_log::AppendError;
use utoipa::ToSchema;

use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::RawBody;

/// Maximum size of the body in bytes: 1,000 events (`EVENTS_MAX` in domain) of 512 bytes, three times what they need.
const EVENTS_BYTES_MAX: usize = 512 * 1024;

/// The outcome of posting events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsBody {
    /// Ids of the accepted events, in the order in which they were sent.
    #[schema(value_type = Vec<uuid::Uuid>)]
    accepted: Vec<EventId>,
    rejected: Vec<RejectedItem>,
}

/// A rejected event. Sending it again unchanged will fail again.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedItem {
    /// Index of the event in the array, from 0.
    index: usize,
    #[schema(example = "invalid_event_type")]
    code: String,
    field: Option<String>,
    reason: String,
}

impl From<Rejected> for RejectedItem {
    fn from(item: Rejected) -> Self {
        Self { index: item.index, code: item.code, field: item.field, reason: item.reason }
    }
}

/// Post one event, or an array of up to 1,000.
///
/// Accepted events are stored durably in the event log before the answer is sent, and counted within about a second.
/// The items of an array are validated one by one; a single invalid event is answered with 400.
#[utoipa::path(
    post, path = "/api/v1/events", operation_id = "add_events", tag = "events",
    request_body(content = Vec<EventRequest>, description = "One event, or an array", content_type = "application/json"),
    responses(
        (status = 202, body = EventsBody),
        (status = 400, description = "The body holds no valid events", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The event log is full or unreachable; retry after `Retry-After` seconds", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn add(state: Data<State>, RawBody(body): RawBody<EVENTS_BYTES_MAX>) -> Result<HttpResponse, ApiError> {
    let validated = validate(&body, Utc::now())
        .map_err(|unusable| ApiError::InvalidBody { field: None, reason: unusable.to_string() })?;
    let alone = body.trim_ascii_start().first() == Some(&b'{');
    let mut rejected = validated.rejected;
    if let Some(only) = rejected.pop_if(|_| alone) {
        return Err(refused(only));
    }
    let accepted = validated.accepted.iter().map(|event| event.event_id).collect();
    let facts: Vec<Fact> = validated.accepted.into_iter().map(Fact::Event).collect();
    append(&state, &facts).await?;
    let rejected = rejected.into_iter().map(RejectedItem::from).collect();
    Ok(HttpResponse::Accepted().json(EventsBody { accepted, rejected }))
}

/// Appends facts to the event log. They are durable once this returns `Ok`.
pub(super) async fn append(state: &State, facts: &[Fact]) -> Result<(), ApiError> {
    match state.event_log.append(facts).await {
        Ok(_) => Ok(()),
        Err(AppendError::Full) => Err(ApiError::EventLogFull),
        Err(AppendError::Unavailable(error)) => Err(ApiError::EventLogAway(error)),
    }
}

/// Returns the error for a single item that was rejected.
pub(super) fn refused(item: Rejected) -> ApiError {
    let reason = match &item.field {
        Some(field) => format!("{field} {}", item.reason),
        None => item.reason,
    };
    ApiError::InvalidBody { field: item.field, reason }
}
