//! What viewers do: events and reviews, validated at the edge (DESIGN.md section 4, seed 5).

use std::ops::AddAssign;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{EventId, MovieId, ReviewId, UserId};

mod validate;

pub use validate::{NewReview, Rejected, Unusable, Validated, validate, validate_review};

/// How far ahead of our clock an event may lie: phones' clocks are off by minutes.
pub const AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// How old an event may be when it arrives. Older ones belong into an import, not into live views.
pub const AGE_MAX: TimeDelta = TimeDelta::days(30);

/// Events in one request: a tenth of a megabyte of JSON, validated in well under a millisecond.
pub const BATCH_MAX: usize = 1_000;

/// The scale of every rating.
pub const RATING_MIN: f64 = 0.5;
pub const RATING_MAX: f64 = 10.0;

/// Characters of a review's text.
pub const REVIEW_CHARS_MAX: usize = 10_000;

/// What a viewer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventType {
    View,
    Click,
    Like,
    Dislike,
    Watch,
    Rating,
    Search,
    Impression,
}

impl EventType {
    pub const ALL: [Self; 8] =
        [Self::View, Self::Click, Self::Like, Self::Dislike, Self::Watch, Self::Rating, Self::Search, Self::Impression];

    /// The word in bodies, tables and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Click => "click",
            Self::Like => "like",
            Self::Dislike => "dislike",
            Self::Watch => "watch",
            Self::Rating => "rating",
            Self::Search => "search",
            Self::Impression => "impression",
        }
    }

    /// The type of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One thing that a viewer did with a movie. `rating` is there exactly for [`EventType::Rating`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub event_id: EventId,
    pub user_id: UserId,
    pub movie_id: MovieId,
    pub event_type: EventType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<f32>,
    pub occurred_at: DateTime<Utc>,
}

/// What a viewer wrote about a movie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    pub review_id: ReviewId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    pub movie_id: MovieId,
    pub content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<f32>,
    pub occurred_at: DateTime<Utc>,
}

/// What the event log carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Fact {
    Event(Event),
    Review(Review),
}

/// What happened to a movie in a span of time. Adding up is exact: a rating has 24 significant bits, so fifty million of
/// them sum without rounding, in any order. Hence an hour built up by deltas equals the hour recomputed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub views: i64,
    pub clicks: i64,
    pub likes: i64,
    pub dislikes: i64,
    pub watches: i64,
    pub ratings: i64,
    pub searches: i64,
    pub impressions: i64,
    pub rating_sum: f64,
}

impl Counts {
    pub fn add(&mut self, event: &Event) {
        *self.slot(event.event_type) += 1;
        self.rating_sum += f64::from(event.rating.unwrap_or_default());
    }

    fn slot(&mut self, kind: EventType) -> &mut i64 {
        match kind {
            EventType::View => &mut self.views,
            EventType::Click => &mut self.clicks,
            EventType::Like => &mut self.likes,
            EventType::Dislike => &mut self.dislikes,
            EventType::Watch => &mut self.watches,
            EventType::Rating => &mut self.ratings,
            EventType::Search => &mut self.searches,
            EventType::Impression => &mut self.impressions,
        }
    }

    /// All events, of whatever type.
    pub fn total(&self) -> i64 {
        let Self { views, clicks, likes, dislikes, watches, ratings, searches, impressions, rating_sum: _ } = self;
        views + clicks + likes + dislikes + watches + ratings + searches + impressions
    }

    /// The mean of the viewers' ratings; `None` without any.
    pub fn rating_mean(&self) -> Option<f64> {
        (self.ratings > 0).then(|| self.rating_sum / self.ratings as f64)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.views += other.views;
        self.clicks += other.clicks;
        self.likes += other.likes;
        self.dislikes += other.dislikes;
        self.watches += other.watches;
        self.ratings += other.ratings;
        self.searches += other.searches;
        self.impressions += other.impressions;
        self.rating_sum += other.rating_sum;
    }
}

/// A movie's public numbers as a source gave them at one moment.
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
