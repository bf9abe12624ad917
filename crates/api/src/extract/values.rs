//! Types of parameters. Each one validates itself; its error message is written for the client.

use std::fmt::Display;
use std::str::FromStr;

use chrono::NaiveDate;
use domain::search::MAX_QUERY_CHARS;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text of `MIN` to `MAX` characters, without leading and trailing blanks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Text<const MIN: usize, const MAX: usize>(String);

/// The text of a search. An empty text matches every movie.
pub type QueryText = Text<0, MAX_QUERY_CHARS>;

/// The name of a genre. The longest one at TMDB has 15 characters.
pub type GenreName = Text<1, 60>;

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// The trimmed text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> From<Text<MIN, MAX>> for String {
    fn from(text: Text<MIN, MAX>) -> Self {
        text.0
    }
}

impl<const MIN: usize, const MAX: usize> TryFrom<String> for Text<MIN, MAX> {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        match text.chars().count() {
            n if n > MAX => Err(format!("must have at most {MAX} characters")),
            n if n < MIN => Err("must not be empty".to_owned()),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// A value of the domain, parsed by its `FromStr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed<T>(pub T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        String::deserialize(text)?.parse().map(Self).map_err(D::Error::custom)
    }
}

impl<T: Display> Serialize for Parsed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A vote average, from 0 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Rating(f64);

impl Rating {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<String> for Rating {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.parse::<f64>() {
            // Adding zero turns -0 into 0; otherwise both would have cache keys of their own.
            Ok(rating) if (0.0..=10.0).contains(&rating) => Ok(Self(rating + 0.0)),
            _ => Err("must be a number from 0 to 10"),
        }
    }
}

/// A year of release, from 1870 (before the first movie) to 2200 (after any announced one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Year(i32);

impl Year {
    /// The year.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<String> for Year {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.parse::<u16>() {
            Ok(year @ 1870..=2200) => Ok(Self(i32::from(year))),
            _ => Err("must be a year from 1870 to 2200"),
        }
    }
}

/// A share, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Share(f32);

impl Share {
    /// The number.
    pub fn get(self) -> f32 {
        self.0
    }
}

impl TryFrom<String> for Share {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.parse::<f32>() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share + 0.0)),
            _ => Err("must be a number from 0 to 1"),
        }
    }
}

/// A length in minutes, from 1 to 10,000; the longest film of a catalogue has about 5,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Minutes(i32);

impl Minutes {
    /// The number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<String> for Minutes {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.parse::<u16>() {
            Ok(minutes @ 1..=10_000) => Ok(Self(i32::from(minutes))),
            _ => Err("must be a number of minutes from 1 to 10000"),
        }
    }
}

/// A language: an ISO 639-1 code in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Language(String);

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.0
    }
}

impl TryFrom<String> for Language {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let text = text.to_ascii_lowercase();
        if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_lowercase()) {
            Ok(Self(text))
        } else {
            Err("must be a language of two letters, such as en")
        }
    }
}

/// Up to [`MovieIds::MAX`] movies, separated by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MovieIds(Vec<i64>);

impl MovieIds {
    /// Most movies of one list.
    pub const MAX: usize = 500;
}

impl From<MovieIds> for Vec<i64> {
    fn from(ids: MovieIds) -> Self {
        ids.0
    }
}

impl TryFrom<String> for MovieIds {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::parse::<domain::MovieId>);
        let mut ids = parsed
            .map(|id| id.map(|id| id.get()))
            .collect::<Result<Vec<i64>, _>>()
            .map_err(|_| "must be movies' ids separated by commas, such as 550,603".to_owned())?;
        if ids.len() > Self::MAX {
            return Err(format!("must have at most {} ids", Self::MAX));
        }
        // One order, so that two requests with the same meaning share an answer.
        ids.sort_unstable();
        ids.dedup();
        Ok(Self(ids))
    }
}

/// A month, from 1 to 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Month(i32);

impl Month {
    /// The month.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<String> for Month {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.parse::<u8>() {
            Ok(month @ 1..=12) => Ok(Self(i32::from(month))),
            _ => Err("must be a month from 1 to 12"),
        }
    }
}

/// A day in the form `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Day(NaiveDate);

impl Day {
    /// The day.
    pub fn get(self) -> NaiveDate {
        self.0
    }
}

impl TryFrom<String> for Day {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        // The length is checked, because chrono also accepts `2026-3-1` and years of six digits.
        match text.parse() {
            Ok(day) if text.len() == 10 => Ok(Self(day)),
            _ => Err("must be a day as YYYY-MM-DD"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_counted_in_characters() {
        assert_eq!(QueryText::try_from("  Amélie ".to_owned()).unwrap().as_str(), "Amélie");
        assert!(QueryText::try_from("é".repeat(MAX_QUERY_CHARS)).is_ok());
        assert!(QueryText::try_from("é".repeat(MAX_QUERY_CHARS + 1)).is_err());
        assert!(GenreName::try_from("  ".to_owned()).is_err());
    }

    #[test]
    fn numbers_and_days_keep_to_their_bounds() {
        for bad in ["NaN", "inf", "-0.1", "10.1", "", "seven"] {
            assert!(Rating::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(Rating::try_from("-0".to_owned()).is_ok_and(|rating| rating.get().is_sign_positive()));
        for bad in ["1869", "2201", "99999", "-1999", "199x", ""] {
            assert!(Year::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for bad in ["0", "13", "x", ""] {
            assert!(Month::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for bad in ["2026-3-1", "2026-02-30", "+12026-01-01", "today", ""] {
            assert!(Day::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(Day::try_from("2026-03-10".to_owned()).is_ok());
    }
}
