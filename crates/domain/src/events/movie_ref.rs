//! How callers name a movie.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::viewers::ViewerName;
use crate::{InvalidId, MovieId};

/// Movies by the names that only the database can resolve: IMDb ids and aliases, which never look alike.
pub type MovieNames = HashMap<Box<str>, MovieId>;

/// The text cannot name a movie. `Display` is written for the client that sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMovieRef {
    #[error(transparent)]
    Number(#[from] InvalidId),
    #[error("must be a TMDB id, an IMDb id such as tt0133093, or an alias of 1 to 128 visible characters")]
    Text,
}

/// A movie as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MovieRef {
    /// Its id, from a JSON number or from digits; needs no look-up.
    Id(MovieId),
    /// Its IMDb id: `tt` and digits.
    Imdb(Box<str>),
    /// The caller's own name of it, from the table of aliases.
    Alias(Box<str>),
}

impl MovieRef {
    /// The name that must be looked up; `None` for an id.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Imdb(name) | Self::Alias(name) => Some(name),
        }
    }
}

/// Whether the text is an IMDb title id.
fn is_imdb_id(text: &str) -> bool {
    text.strip_prefix("tt").is_some_and(is_digits)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl FromStr for MovieRef {
    type Err = InvalidMovieRef;

    fn from_str(text: &str) -> Result<Self, InvalidMovieRef> {
        if is_digits(text) {
            return Ok(Self::Id(text.parse()?));
        }
        // The same characters as in a viewer's name, for the same reason.
        if text.parse::<ViewerName>().is_err() {
            return Err(InvalidMovieRef::Text);
        }
        Ok(if is_imdb_id(text) { Self::Imdb(text.into()) } else { Self::Alias(text.into()) })
    }
}

impl fmt::Display for MovieRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Imdb(name) | Self::Alias(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_imdb_ids_are_never_aliases() {
        let id = |raw| MovieRef::Id(MovieId::new(raw).unwrap());
        for (text, expected) in [
            ("550", Ok(id(550))),
            ("0", Err(InvalidMovieRef::Number(InvalidId))),
            ("tt0133093", Ok(MovieRef::Imdb("tt0133093".into()))),
            ("m002", Ok(MovieRef::Alias("m002".into()))),
            ("tt", Ok(MovieRef::Alias("tt".into()))),
            ("-5", Ok(MovieRef::Alias("-5".into()))),
            ("", Err(InvalidMovieRef::Text)),
            ("a b", Err(InvalidMovieRef::Text)),
        ] {
            assert_eq!(text.parse::<MovieRef>(), expected, "{text:?}");
        }
    }
}
