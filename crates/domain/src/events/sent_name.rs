//! Names as clients send them: JSON texts or numbers.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::{InvalidMovieRef, MovieRef};
use crate::viewers::{InvalidName, ViewerName};
use crate::{InvalidId, MovieId};

/// The name of a viewer or a movie before it is validated, so that a bad one has an error code of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum SentName {
    Text(Box<str>),
    Whole(u64),
    /// A negative number or one with a fraction, which names nothing.
    OtherNumber,
}

impl Default for SentName {
    fn default() -> Self {
        Self::Text("".into())
    }
}

impl SentName {
    /// The viewer that is named.
    pub(super) fn viewer(&self) -> Result<ViewerName, InvalidName> {
        match self {
            Self::Text(text) => text.parse(),
            Self::Whole(number) => Ok(ViewerName::numbered(*number)),
            Self::OtherNumber => Err(InvalidName),
        }
    }

    /// The movie's name, if it must be looked up.
    pub(super) fn name(&self) -> Option<Box<str>> {
        let Self::Text(_) = self else { return None };
        self.movie().ok()?.name().map(Into::into)
    }

    /// The movie that is named.
    pub(super) fn movie(&self) -> Result<MovieRef, InvalidMovieRef> {
        match self {
            Self::Text(text) => text.parse(),
            Self::Whole(number) => {
                let raw = i64::try_from(*number).map_err(|_| InvalidId)?;
                Ok(MovieRef::Id(MovieId::new(raw)?))
            }
            Self::OtherNumber => Err(InvalidId.into()),
        }
    }
}

impl<'de> Deserialize<'de> for SentName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = SentName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SentName, E> {
                Ok(SentName::Text(text.into()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<SentName, E> {
                Ok(SentName::Whole(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<SentName, E> {
                Ok(u64::try_from(number).map_or(SentName::OtherNumber, SentName::Whole))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<SentName, E> {
                Ok(SentName::OtherNumber)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
