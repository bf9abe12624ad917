//! What a viewer did elsewhere, as exports of other services describe it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::events::{Event, EventType, MovieRef};
use crate::viewers::ViewerName;
use crate::{EventId, MovieId};

/// A movie as an export names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NamedMovie {
    Ref(MovieRef),
    /// Exports without ids have the title and the year of release.
    Title {
        title: String,
        year: Option<i32>,
    },
}

/// What the viewer did with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Did {
    Watched,
    Liked,
    /// 0.5 to 10.
    Rated(f32),
}

/// One entry of an export.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// File and row, for people.
    pub place: String,
    pub movie: NamedMovie,
    pub did: Did,
    pub at: DateTime<Utc>,
}

/// An entry that cannot be used, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    pub place: String,
    pub reason: String,
}

/// An export as read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    pub entries: Vec<Entry>,
    pub unreadable: Vec<Unreadable>,
}

/// Namespace of the ids of imported events.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d1f_6c0a_52b4_4e0e_9a37_61c5_5f0d_21be);

impl Entry {
    /// The entry as an event. Its id follows from viewer, movie, kind and time, so an export that is imported twice counts
    /// once.
    pub fn event(&self, viewer: &ViewerName, movie_id: MovieId) -> Event {
        let (event_type, rating) = match self.did {
            Did::Watched => (EventType::Watch, None),
            Did::Liked => (EventType::Like, None),
            Did::Rated(rating) => (EventType::Rating, Some(rating)),
        };
        let occurred_at = crate::clock::storable(self.at);
        let id = format!("{viewer} {movie_id} {} {}", event_type.as_str(), occurred_at.timestamp_micros());
        Event {
            event_id: EventId(Uuid::new_v5(&NAMESPACE, id.as_bytes())),
            user_id: viewer.clone(),
            movie_id,
            event_type,
            rating,
            list_id: None,
            occurred_at,
        }
    }
}
