//! Events and reviews of viewers, validated at the edge (seed 5).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::viewers::ViewerName;
use crate::{EventId, MovieId, ReviewId};

mod counts;
mod event_type;
mod movie_ref;
mod sent_name;
mod validate;

pub use counts::Counts;
pub use event_type::EventType;
pub use movie_ref::{InvalidMovieRef, MovieNames, MovieRef};
pub use sent_name::SentName;
pub use validate::{
    EventRequest, Rejected, ReviewRequest, SentEvents, UNKNOWN_ALIAS, UNKNOWN_MOVIE, Unusable, Validated,
    validate_review,
};

pub use crate::clock::AHEAD_MAX;

/// How old an event may be when it arrives. Older events belong in an import, not in the live views.
pub const AGE_MAX: TimeDelta = TimeDelta::days(30);

/// Most events in one request: about 100 kB of JSON, validated in well under a millisecond.
pub const EVENTS_MAX: usize = 1_000;

/// Lowest value of every rating.
pub const RATING_MIN: f64 = 0.5;
/// Highest value of every rating.
pub const RATING_MAX: f64 = 10.0;

/// Most characters in a review's text.
pub const REVIEW_CHARS_MAX: usize = 10_000;

/// One event: what a viewer did with a movie. `rating` is present exactly for [`EventType::Rating`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub event_id: EventId,
    /// The viewer's name; the tables have a [`crate::ViewerId`] in its place. Older entries of the log hold a number.
    pub user_id: ViewerName,
    pub movie_id: MovieId,
    pub event_type: EventType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<f32>,
    /// The list that showed the movie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_id: Option<Uuid>,
    #[serde(deserialize_with = "crate::clock::deserialize")]
    pub occurred_at: DateTime<Utc>,
}

/// A review that a viewer wrote about a movie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewerReview {
    pub review_id: ReviewId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<ViewerName>,
    pub movie_id: MovieId,
    pub content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<f32>,
    #[serde(deserialize_with = "crate::clock::deserialize")]
    pub occurred_at: DateTime<Utc>,
}

/// An entry of the event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Fact {
    Event(Event),
    Review(ViewerReview),
}

impl Fact {
    /// The fact's kind, as its JSON names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "event",
            Self::Review(_) => "review",
        }
    }

    /// The fact's id, unique among the facts of its kind.
    pub fn id(&self) -> Uuid {
        match self {
            Self::Event(event) => event.event_id.0,
            Self::Review(review) => review.review_id.0,
        }
    }

    /// The movie that the fact is about.
    pub fn movie_id(&self) -> MovieId {
        match self {
            Self::Event(event) => event.movie_id,
            Self::Review(review) => review.movie_id,
        }
    }

    /// The viewer's name, where the fact has one.
    pub fn viewer(&self) -> Option<&ViewerName> {
        match self {
            Self::Event(event) => Some(&event.user_id),
            Self::Review(review) => review.user_id.as_ref(),
        }
    }
}

/// A movie's public numbers as a source reported them at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    pub movie_id: MovieId,
    pub observed_at: DateTime<Utc>,
    pub popularity: f64,
    pub vote_average: f64,
    pub vote_count: i64,
}

#[cfg(test)]
mod tests;
