//! `POST /events`.

use std::collections::{HashMap, HashSet};

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::Utc;
use domain::events::{Event, EventRequest, Fact, Rejected, SentEvents, UNKNOWN_ALIAS, UNKNOWN_MOVIE};
use domain::{EventId, MovieId};
use serde::Serialize;
use storage::event_log::AppendError;
use utoipa::ToSchema;

use crate::State;
use crate::admission::Refusal;
use crate::error::{ApiError, Problem};
use crate::extract::RawBody;

/// Maximum size of the body in bytes: 1,000 events (`EVENTS_MAX` in domain) of 512 bytes, three times what they need.
const EVENTS_BYTES_MAX: usize = 512 * 1024;

/// The outcome of posting events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsBody {
    /// `accepted`, or `rejected` if no event of an array was accepted.
    #[schema(example = "accepted")]
    status: &'static str,
    #[schema(example = "Event queued for processing")]
    message: &'static str,
    /// Ids of the accepted events, in the order in which they were sent.
    #[schema(value_type = Vec<uuid::Uuid>)]
    accepted: Vec<EventId>,
    rejected: Vec<RejectedItem>,
}

impl EventsBody {
    fn of(accepted: Vec<EventId>, rejected: Vec<Rejected>) -> Self {
        let (status, message) = match accepted.len() {
            0 => ("rejected", "No event was accepted"),
            1 => ("accepted", "Event queued for processing"),
            _ => ("accepted", "Events queued for processing"),
        };
        Self { status, message, accepted, rejected: rejected.into_iter().map(RejectedItem::from).collect() }
    }
}

/// A rejected event. Sending it again unchanged will fail again, unless the code is `waiting_room_full`.
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
/// Events about a movie that is not in the catalogue yet wait for it and are counted when it arrives. Where no more can
/// wait, they are rejected with `unknown_movie` or `waiting_room_full`; a single one is answered with 422 or 503. An alias
/// that nobody defined is rejected with `unknown_alias`; a single one is answered with 422.
#[utoipa::path(
    post, path = "/api/v1/events", operation_id = "add_events", tag = "events",
    request_body(content = Vec<EventRequest>, description = "One event, or an array", content_type = "application/json"),
    responses(
        (status = 202, body = EventsBody),
        (status = 400, description = "The body holds no valid events", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The movie's name is unknown, or the movie is and no more facts can wait for it", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The event log or the waiting room is full, or the log unreachable, or the database where a movie is named by IMDb id or alias; retry after `Retry-After` seconds", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn add(state: Data<State>, RawBody(body): RawBody<EVENTS_BYTES_MAX>) -> Result<HttpResponse, ApiError> {
    let sent = SentEvents::parse(&body)
        .map_err(|unusable| ApiError::InvalidBody { field: None, reason: unusable.to_string() })?;
    let names = state.names.resolve(sent.names()).await?;
    let validated = sent.validate(&names, Utc::now());
    let alone = body.trim_ascii_start().first() == Some(&b'{');
    let mut rejected = validated.rejected;
    if let Some(only) = rejected.pop_if(|_| alone) {
        return Err(refused(only));
    }
    let events = validated.accepted;
    let refusals = state.admission.refused(events.iter().map(|event| event.movie_id)).await;
    if let Some(refusal) = events.first().and_then(|only| refusals.get(&only.movie_id)).filter(|_| alone) {
        count_refused(*refusal);
        return Err((*refusal).into());
    }
    let events = if refusals.is_empty() { events } else { without_refused(events, &refusals, &mut rejected) };
    let accepted = events.iter().map(|event| event.event_id).collect();
    let facts: Vec<Fact> = events.into_iter().map(Fact::Event).collect();
    if !facts.is_empty() {
        append(&state, &facts).await?;
    }
    Ok(HttpResponse::Accepted().json(EventsBody::of(accepted, rejected)))
}

/// Moves the events about refused movies to the rejected items.
fn without_refused(
    events: Vec<Event>,
    refusals: &HashMap<MovieId, Refusal>,
    rejected: &mut Vec<Rejected>,
) -> Vec<Event> {
    // The accepted events have the indices that no rejected item has, in order.
    let taken: HashSet<usize> = rejected.iter().map(|item| item.index).collect();
    let indices = (0..events.len() + taken.len()).filter(|index| !taken.contains(index));
    let mut accepted = Vec::with_capacity(events.len());
    for (index, event) in indices.zip(events) {
        let Some(refusal) = refusals.get(&event.movie_id) else {
            accepted.push(event);
            continue;
        };
        count_refused(*refusal);
        let (code, field) = (refusal.code().to_owned(), Some("movie_id".to_owned()));
        rejected.push(Rejected { index, code, field, reason: refusal.reason().to_owned() });
    }
    rejected.sort_by_key(|item| item.index);
    accepted
}

/// Counts a fact that is not accepted because its movie is unknown.
pub(super) fn count_refused(refusal: Refusal) {
    metrics::counter!("facts_refused_total", "reason" => refusal.code()).increment(1);
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
    if let Some(code) = [UNKNOWN_ALIAS, UNKNOWN_MOVIE].into_iter().find(|code| item.code == *code) {
        return ApiError::UnknownName { code, reason: item.reason };
    }
    let reason = match &item.field {
        Some(field) => format!("{field} {}", item.reason),
        None => item.reason,
    };
    ApiError::InvalidBody { field: item.field, reason }
}
