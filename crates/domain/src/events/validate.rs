//! Validation of request bodies into events that cannot be wrong. Items are validated one by one, so that one bad event
//! rejects only itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AGE_MAX, AHEAD_MAX, EVENTS_MAX, Event, EventType, MovieNames, MovieRef, RATING_MAX, RATING_MIN, REVIEW_CHARS_MAX,
    SentName, ViewerReview,
};
use crate::clock::storable;
use crate::viewers::ViewerName;
use crate::{EventId, MovieId, ReviewId};

/// Code of an item whose movie has an alias that nobody defined.
pub const UNKNOWN_ALIAS: &str = "unknown_alias";
/// Code of an item whose movie's IMDb id belongs to no movie of the catalogue.
pub const UNKNOWN_MOVIE: &str = "unknown_movie";

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
    /// The viewer's name: 1 to 128 visible characters. A number is taken as its digits.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "user_123"))]
    pub user_id: SentName,
    /// A TMDB id as a number or as text, an IMDb id (`tt0133093`), or an alias.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "550"))]
    pub movie_id: SentName,
    #[cfg_attr(feature = "openapi", schema(value_type = EventType, example = "rating"))]
    pub event_type: String,
    /// Required for `rating` events, not allowed for others.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f32>, minimum = 0.5, maximum = 10, example = 8.5))]
    pub rating: Option<f64>,
    /// The `list_id` of the recommendations that showed the movie: ties the event to the list.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<uuid::Uuid>))]
    pub list_id: Option<String>,
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
    /// The viewer's name: 1 to 128 visible characters. A number is taken as its digits.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "user_123"))]
    pub user_id: Option<SentName>,
    /// A TMDB id as a number or as text, an IMDb id (`tt0133093`), or an alias.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "550"))]
    pub movie_id: SentName,
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

impl ReviewRequest {
    /// The movie's name, if it must be looked up before the review is validated.
    pub fn name(&self) -> Option<Box<str>> {
        self.movie_id.name()
    }
}

/// The events of a body as they were sent. They are validated in two steps, because a movie's name may have to be
/// looked up in between.
#[derive(Debug)]
pub struct SentEvents(Vec<Result<EventRequest, Refusal>>);

impl SentEvents {
    /// Parses the body of a request: one event or an array.
    ///
    /// # Errors
    /// [`Unusable`] when the body is not a list of events; single bad items are rejected by [`SentEvents::validate`].
    pub fn parse(body: &[u8]) -> Result<Self, Unusable> {
        // Nearly every body is an array of well-formed events: one pass suffices, without an intermediate tree of JSON
        // values.
        let sent = match serde_json::from_slice::<Vec<EventRequest>>(body) {
            Ok(sent) => sent.into_iter().map(Ok).collect(),
            Err(_) => match serde_json::from_slice(body).map_err(|error| Unusable::NotJson(error.to_string()))? {
                Value::Array(items) => items.into_iter().map(sent).collect(),
                item @ Value::Object(_) => vec![sent(item)],
                _ => return Err(Unusable::NotEvents),
            },
        };
        match sent.len() {
            0 => Err(Unusable::NotEvents),
            n if n > EVENTS_MAX => Err(Unusable::TooMany(n)),
            _ => Ok(Self(sent)),
        }
    }

    /// The names of movies that must be looked up before the events are validated, without duplicates: IMDb ids and
    /// aliases. None for events that name their movies by number.
    pub fn names(&self) -> Vec<Box<str>> {
        let mut names: Vec<Box<str>> = self.0.iter().flatten().filter_map(|sent| sent.movie_id.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Validates the events one by one; `names` has those of [`SentEvents::names`] that are known.
    pub fn validate(self, names: &MovieNames, now: DateTime<Utc>) -> Validated {
        let mut validated = Validated::default();
        for (index, item) in self.0.into_iter().enumerate() {
            match item.and_then(|sent| event(&sent, names, now)) {
                Ok(event) => validated.accepted.push(event),
                Err((code, field, reason)) => {
                    let (code, field) = (code.to_owned(), field.map(str::to_owned));
                    validated.rejected.push(Rejected { index, code, field, reason });
                }
            }
        }
        validated
    }
}

fn sent(item: Value) -> Result<EventRequest, Refusal> {
    serde_json::from_value(item).map_err(|error| ("malformed_event", None, error.to_string()))
}

fn event(sent: &EventRequest, names: &MovieNames, now: DateTime<Utc>) -> Result<Event, Refusal> {
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
    let list_id = sent.list_id.as_deref().map(str::parse).transpose();
    Ok(Event {
        event_id: event_id.map_err(|_| ("invalid_event_id", Some("event_id"), "must be a UUID".into()))?,
        user_id: user_id(&sent.user_id)?,
        movie_id: movie_id(&sent.movie_id, names)?,
        event_type,
        rating,
        list_id: list_id.map_err(|_| ("invalid_list_id", Some("list_id"), "must be a UUID".into()))?,
        occurred_at: occurred_at(sent.occurred_at.as_deref(), now)?,
    })
}

/// Validates a review; `names` has the movie's [`ReviewRequest::name`], if it is known.
///
/// # Errors
/// The first violated rule, as a [`Rejected`] with index 0.
pub fn validate_review(sent: ReviewRequest, names: &MovieNames, now: DateTime<Utc>) -> Result<ViewerReview, Rejected> {
    review(sent, names, now).map_err(|(code, field, reason)| Rejected {
        index: 0,
        code: code.to_owned(),
        field: field.map(str::to_owned),
        reason,
    })
}

fn review(sent: ReviewRequest, names: &MovieNames, now: DateTime<Utc>) -> Result<ViewerReview, Refusal> {
    // PostgreSQL's `text` type cannot hold NUL.
    let content = sent.content.replace('\0', "");
    if content.trim().is_empty() || content.chars().nth(REVIEW_CHARS_MAX).is_some() {
        let reason = format!("must have 1 to {REVIEW_CHARS_MAX} characters, not all of them blanks");
        return Err(("invalid_content", Some("content"), reason));
    }
    let review_id = sent.review_id.as_deref().map_or_else(|| Ok(ReviewId::new()), str::parse);
    Ok(ViewerReview {
        review_id: review_id.map_err(|_| ("invalid_review_id", Some("review_id"), "must be a UUID".into()))?,
        user_id: sent.user_id.as_ref().map(user_id).transpose()?,
        movie_id: movie_id(&sent.movie_id, names)?,
        content,
        rating: sent.rating.map(rating).transpose()?,
        occurred_at: occurred_at(sent.occurred_at.as_deref(), now)?,
    })
}

fn user_id(sent: &SentName) -> Result<ViewerName, Refusal> {
    sent.viewer().map_err(|error| ("invalid_user_id", Some("user_id"), error.to_string()))
}

fn movie_id(sent: &SentName, names: &MovieNames) -> Result<MovieId, Refusal> {
    let field = Some("movie_id");
    let known = |name: &str| names.get(name).copied();
    match sent.movie().map_err(|error| ("invalid_movie_id", field, error.to_string()))? {
        MovieRef::Id(id) => Ok(id),
        MovieRef::Imdb(name) => known(&name).ok_or_else(|| {
            (UNKNOWN_MOVIE, field, format!("is the IMDb id {name}, which no movie of the catalogue has"))
        }),
        MovieRef::Alias(name) => known(&name).ok_or_else(|| {
            (UNKNOWN_ALIAS, field, format!("is the alias {name}, which nobody defined; PUT /admin/aliases defines it"))
        }),
    }
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
