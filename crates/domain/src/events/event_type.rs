//! The types of events. A new type is a variant and a row of [`TYPES`]; tables, JSON bodies and the API documents
//! derive from them.

use serde::{Deserialize, Serialize};

/// What a viewer did. The order is that of the slots in stored counts: append new types, never insert or reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// Each type, its name, and the name of its count in a movie's counts.
const TYPES: [(EventType, &str, &str); EventType::COUNT] = [
    (EventType::View, "view", "views"),
    (EventType::Click, "click", "clicks"),
    (EventType::Like, "like", "likes"),
    (EventType::Dislike, "dislike", "dislikes"),
    (EventType::Watch, "watch", "watches"),
    (EventType::Rating, "rating", "ratings"),
    (EventType::Search, "search", "searches"),
    (EventType::Impression, "impression", "impressions"),
];

/// Length of the stored arrays of counts; SQL adds exactly this many slots (migrations/0010_event_slots.sql).
const SLOTS: usize = 16;

const _: () = {
    assert!(EventType::COUNT <= SLOTS);
    let mut slot = 0;
    while slot < EventType::COUNT {
        assert!(TYPES[slot].0 as usize == slot);
        slot += 1;
    }
};

impl EventType {
    /// Number of types.
    pub const COUNT: usize = Self::Impression as usize + 1;

    /// Length of a stored array of counts; slots from [`EventType::COUNT`] on are reserved for new types.
    pub const SLOTS: usize = SLOTS;

    /// Every type, in the order of the slots.
    pub const ALL: [Self; Self::COUNT] = {
        let mut all = [Self::View; Self::COUNT];
        let mut slot = 0;
        while slot < Self::COUNT {
            all[slot] = TYPES[slot].0;
            slot += 1;
        }
        all
    };

    /// Index in an array of counts, from 0.
    pub const fn slot(self) -> usize {
        self as usize
    }

    /// The type's name in JSON bodies, tables and metrics.
    pub const fn as_str(self) -> &'static str {
        TYPES[self.slot()].1
    }

    /// The name of its count in a movie's counts, such as `views`.
    pub const fn plural(self) -> &'static str {
        TYPES[self.slot()].2
    }

    /// Whether such an event says something of the viewer's taste. What was only shown or searched for does not.
    pub const fn tells_taste(self) -> bool {
        !matches!(self, Self::Search | Self::Impression)
    }

    /// The type with this name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_slots_are_those_that_are_stored() {
        let words = EventType::ALL.map(EventType::as_str);
        assert_eq!(words, ["view", "click", "like", "dislike", "watch", "rating", "search", "impression"]);
        for kind in EventType::ALL {
            assert_eq!(EventType::named(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
