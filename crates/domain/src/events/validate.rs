//! Validation of request bodies into events that cannot be wrong. Items are validated one by one, so that one bad event
//! rejects only itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AGE_MAX, AHEAD_MAX, EVENTS_MAX, Event, EventType, RATING_MAX, RATING_MIN, REVIEW_CHARS_MAX, ViewerReview};
use crate::clock::storable;
use crate::{EventId, MovieId, ReviewId, UserId};

/// Why a whole body is rejected: it is not a list of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("send one event as an object, or an array of 1 to {EVENTS_MAX}")]
    NotEvents,
    #[error("{0} events are too many; send at most {EVENTS_MAX} in one request")]
    TooMany(usize),
}

/// An item that was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Index of the item in the array, from 0.
    pub index: usize,
    /// A stable code for programs: `invalid_movie_id`, `occurred_in_future`, ...
    pub code: String,
    pub field: Option<String>,
    /// The reason as a sentence for people.
    pub reason: String,
}

/// The result of validating a body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Validated {
    pub accepted: Vec<Event>,
    pub rejected: Vec<Rejected>,
}

/// Why an item is rejected: code, field, reason.
type Refusal = (&'static str, Option<&'static str>, String);

/// An event as the client sends it. Numbers and texts are checked afterwards, so that each error has its own code.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, expecting = "an event, a JSON object")]
pub struct EventRequest {
    /// Generated if absent. An event sent twice under one id counts once.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<uuid::Uuid>))]
    pub event_id: Option<String>,
    #[cfg_attr(feature = "openapi", schema(minimum = 1, example = 7))]
    pub user_id: i64,
    #[cfg_attr(feature = "openapi", schema(minimum = 1, example = 550))]
    pub movie_id: i64,
    #[cfg_attr(feature = "openapi", schema(value_type = EventType, example = "rating"))]
    pub event_type: String,
    /// Required for `rating` events, not allowed for others.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f32>, minimum = 0.5, maximum = 10, example = 8.5))]
    pub rating: Option<f64>,
    /// The time of receipt if absent; at most 5 minutes in the future and 30 days in the past.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<DateTime<Utc>>))]
    pub occurred_at: Option<String>,
}

/// A review as the client sends it.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReviewRequest {
    /// Generated if absent. A review sent twice under one id counts once.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<uuid::Uuid>))]
    pub review_id: Option<String>,
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub user_id: Option<i64>,
    #[cfg_attr(feature = "openapi", schema(minimum = 1, example = 550))]
    pub movie_id: i64,
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 10_000, example = "A wonderful movie, I loved it.")
    )]
    #[serde(alias = "text")]
    pub content: String,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f32>, minimum = 0.5, maximum = 10))]
    pub rating: Option<f64>,
    /// The time of receipt if absent; at most 5 minutes in the future and 30 days in the past.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<DateTime<Utc>>))]
    pub occurred_at: Option<String>,
}

/// Validates the body of a request: one event or an array.
///
/// # Errors
/// [`Unusable`] when the body is not a list of events; single bad items are in [`Validated::rejected`].
pub fn validate(body: &[u8], now: DateTime<Utc>) -> Result<Validated, Unusable> {
    // Nearly every body is an array of well-formed events: one pass suffices, without an intermediate tree of JSON
    // values.
    if let Ok(sent) = serde_json::from_slice::<Vec<EventRequest>>(body) {
        return collect(sent, now, Ok);
    }
    match serde_json::from_slice(body).map_err(|error| Unusable::NotJson(error.to_string()))? {
        Value::Array(items) => collect(items, now, sent),
        item @ Value::Object(_) => collect(vec![item], now, sent),
        _ => Err(Unusable::NotEvents),
    }
}

fn sent(item: Value) -> Result<EventRequest, Refusal> {
    serde_json::from_value(item).map_err(|error| ("malformed_event", None, error.to_string()))
}

fn collect<T>(
    items: Vec<T>,
    now: DateTime<Utc>,
    sent: impl Fn(T) -> Result<EventRequest, Refusal>,
) -> Result<Validated, Unusable> {
    match items.len() {
        0 => return Err(Unusable::NotEvents),
        n if n > EVENTS_MAX => return Err(Unusable::TooMany(n)),
        _ => {}
    }
    let mut validated = Validated::default();
    for (index, item) in items.into_iter().enumerate() {
        match sent(item).and_then(|sent| event(&sent, now)) {
            Ok(event) => validated.accepted.push(event),
            Err((code, field, reason)) => {
                let (code, field) = (code.to_owned(), field.map(str::to_owned));
                validated.rejected.push(Rejected { index, code, field, reason });
            }
        }
    }
    Ok(validated)
}

fn event(sent: &EventRequest, now: DateTime<Utc>) -> Result<Event, Refusal> {
    let event_type = EventType::named(&sent.event_type).ok_or_else(|| {
        let words = EventType::ALL.map(EventType::as_str).join(", ");
        ("invalid_event_type", Some("event_type"), format!("must be one of {words}"))
    })?;
    let rating = match (event_type, sent.rating) {
        (EventType::Rating, None) => {
            return Err(("rating_missing", Some("rating"), "an event of type rating must carry one".into()));
        }
        (EventType::Rating, Some(value)) => Some(rating(value)?),
        (_, None) => None,
        (_, Some(_)) => {
            return Err(("rating_not_allowed", Some("rating"), "only events of type rating may carry one".into()));
        }
    };
    let event_id = sent.event_id.as_deref().map_or_else(|| Ok(EventId::new()), str::parse);
    Ok(Event {
        event_id: event_id.map_err(|_| ("invalid_event_id", Some("event_id"), "must be a UUID".into()))?,
        user_id: user_id(sent.user_id)?,
        movie_id: movie_id(sent.movie_id)?,
        event_type,
        rating,
        occurred_at: occurred_at(sent.occurred_at.as_deref(), now)?,
    })
}

/// Validates a review.
///
/// # Errors
/// The first violated rule, as a [`Rejected`] with index 0.
pub fn validate_review(sent: ReviewRequest, now: DateTime<Utc>) -> Result<ViewerReview, Rejected> {
    review(sent, now).map_err(|(code, field, reason)| Rejected {
        index: 0,
        code: code.to_owned(),
        field: field.map(str::to_owned),
        reason,
    })
}

fn review(sent: ReviewRequest, now: DateTime<Utc>) -> Result<ViewerReview, Refusal> {
    // PostgreSQL's `text` type cannot hold NUL.
    let content = sent.content.replace('\0', "");
    if content.trim().is_empty() || content.chars().nth(REVIEW_CHARS_MAX).is_some() {
        let reason = format!("must have 1 to {REVIEW_CHARS_MAX} characters, not all of them blanks");
        return Err(("invalid_content", Some("content"), reason));
    }
    let review_id = sent.review_id.as_deref().map_or_else(|| Ok(ReviewId::new()), str::parse);
    Ok(ViewerReview {
        review_id: review_id.map_err(|_| ("invalid_review_id", Some("review_id"), "must be a UUID".into()))?,
        user_id: sent.user_id.map(user_id).transpose()?,
        movie_id: movie_id(sent.movie_id)?,
        content,
        rating: sent.rating.map(rating).transpose()?,
        occurred_at: occurred_at(sent.occurred_at.as_deref(), now)?,
    })
}

fn user_id(raw: i64) -> Result<UserId, Refusal> {
    UserId::new(raw).map_err(|error| ("invalid_user_id", Some("user_id"), error.to_string()))
}

fn movie_id(raw: i64) -> Result<MovieId, Refusal> {
    MovieId::new(raw).map_err(|error| ("invalid_movie_id", Some("movie_id"), error.to_string()))
}

fn rating(value: f64) -> Result<f32, Refusal> {
    if (RATING_MIN..=RATING_MAX).contains(&value) {
        Ok(value as f32)
    } else {
        Err(("invalid_rating", Some("rating"), format!("must be from {RATING_MIN} to {RATING_MAX}")))
    }
}

fn occurred_at(text: Option<&str>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    let field = Some("occurred_at");
    let Some(text) = text else { return Ok(storable(now)) };
    let at = DateTime::parse_from_rfc3339(text)
        .map_err(|_| ("invalid_occurred_at", field, "must be a time such as 2026-03-10T12:00:00Z".into()))?
        .to_utc();
    let at = storable(at);
    let age = now - at;
    if age < -AHEAD_MAX {
        return Err(("occurred_in_future", field, format!("is more than {} minutes ahead", AHEAD_MAX.num_minutes())));
    }
    if age > AGE_MAX {
        return Err(("occurred_too_long_ago", field, format!("is more than {} days old", AGE_MAX.num_days())));
    }
    Ok(at)
}
