//! Identifiers. A type per kind of id, so that the compiler finds swapped arguments, which two bare `i64` would hide.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an id. `Display` is written for the client that sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to {max}", max = i64::MAX)]
pub struct InvalidId;

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// Accepts 1 to `i64::MAX`.
            pub fn new(raw: i64) -> Result<Self, InvalidId> {
                if raw > 0 { Ok(Self(raw)) } else { Err(InvalidId) }
            }

            /// The number as it is stored and shown.
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidId;
            fn try_from(raw: i64) -> Result<Self, InvalidId> {
                Self::new(raw)
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // `parse` alone would accept "+5", and one resource would then have two URLs.
                if !text.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(InvalidId);
                }
                text.parse().map_err(|_| InvalidId).and_then(Self::new)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numeric_id!(
    /// A movie's id: its TMDB id, or one from [`MovieId::SYNTHETIC_BASE`] on for movies that TMDB does not know.
    MovieId
);
numeric_id!(
    /// A person's TMDB id.
    PersonId
);
numeric_id!(
    /// A viewer's dense id: what tables and computations use for a [`crate::viewers::ViewerName`].
    ViewerId
);

impl MovieId {
    /// First id of movies that the demo world makes up. TMDB's own ids are far below.
    pub const SYNTHETIC_BASE: i64 = 1_000_000_000;
    /// First id of MovieLens movies without a TMDB link (ml-1m has no links).
    pub const MOVIELENS_BASE: i64 = 2_000_000_000;
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id of UUID version 7, so that ids sort by creation time.
            #[allow(clippy::new_without_default)] // a default that differs each time would surprise
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// Id of a row of the job ledger.
    JobId
);
uuid_id!(
    /// Id of an event; the client may choose it, and an event sent twice under one id counts once.
    EventId
);
uuid_id!(
    /// Id of a viewer's review; the client may choose it, as for [`EventId`].
    ReviewId
);
uuid_id!(
    /// Id of a run of an artifact: all rows that one compute job staged together.
    RunId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_is_not_a_positive_i64() {
        for text in ["0", "-1", "+5", "", "abc", "9223372036854775808", "1.0", " 1"] {
            assert_eq!(text.parse::<MovieId>(), Err(InvalidId), "{text:?}");
        }
        assert_eq!("9223372036854775807".parse::<MovieId>().map(MovieId::get), Ok(i64::MAX));
    }
}
