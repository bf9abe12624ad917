//! The types of events. A new one is a variant and a row of [`TYPES`]: tables, bodies and documents follow.

use serde::{Deserialize, Serialize};

/// What a viewer did. The order is that of the slots in stored counts: append, never insert or reorder.
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

/// Each type, its word, and what its number is called in a movie's counts.
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

/// Slots of the stored counts, as wide as SQL adds them up (migrations/0010_event_slots.sql).
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
    /// How many types there are.
    pub const COUNT: usize = Self::Impression as usize + 1;

    /// Slots that a stored array of counts has; those beyond [`EventType::COUNT`] are for types to come.
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

    /// Its place in an array of counts, from 0.
    pub const fn slot(self) -> usize {
        self as usize
    }

    /// The word in bodies, tables and metrics.
    pub const fn as_str(self) -> &'static str {
        TYPES[self.slot()].1
    }

    /// The name of its number in a movie's counts: `views`.
    pub const fn plural(self) -> &'static str {
        TYPES[self.slot()].2
    }

    /// The type of that word.
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
