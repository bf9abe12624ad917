//! Records that sources deliver to the catalogue.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::MovieId;
use crate::movies::{Credits, DailyMetrics, Movie, Rating, Review};

/// The source of a fact. Ratings and reviews are unique per source, since every source numbers its own viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Tmdb,
    Tmdb5000,
    MoviesDataset,
    Movielens,
    Demo,
    /// Viewers, through the API.
    Viewers,
}

impl Source {
    const ALL: [Self; 6] =
        [Self::Tmdb, Self::Tmdb5000, Self::MoviesDataset, Self::Movielens, Self::Demo, Self::Viewers];

    /// The source of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }

    /// The source's name in tables, logs and the CLI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tmdb => "tmdb",
            Self::Tmdb5000 => "tmdb-5000",
            Self::MoviesDataset => "movies-dataset",
            Self::Movielens => "movielens",
            Self::Demo => "demo",
            Self::Viewers => "viewers",
        }
    }
}

/// One parsed record of a source; records come in the source's order.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A complete movie; replaces the catalogue's row.
    Movie(Box<Movie>),
    /// A movie of which the source has few fields (MovieLens: title, year, genres); inserted if missing, never
    /// overwrites.
    Stub(Box<Movie>),
    /// Credits from a separate file, for a movie that came before.
    Credits(MovieId, Credits),
    /// Keywords from a separate file, for a movie that came before.
    Keywords(MovieId, Vec<String>),
    Metrics(DailyMetrics),
    Rating(Rating),
    Review(Review),
    /// A malformed record: it goes to quarantine with the reason and is counted; ingestion continues.
    Quarantined(Quarantined),
}

/// A record that could not be used, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Position in the source: `movies.csv:123`, `movie/550`.
    pub location: String,
    pub field: Option<String>,
    pub reason: String,
    /// The record's text, cut at [`QUARANTINE_TEXT_MAX`] bytes.
    pub record: String,
    /// The movie that is missing because of it, which is asked for again ([`retry_after`]). `None`: asking again would
    /// bring the same.
    pub movie_id: Option<MovieId>,
}

/// Limit in bytes of a quarantined record's stored text: enough to recognise the row; a shifted CSV row can have
/// megabytes.
pub const QUARANTINE_TEXT_MAX: usize = 2_000;

impl Quarantined {
    /// Cuts `record` to [`QUARANTINE_TEXT_MAX`] bytes on a character boundary and drops NUL bytes, which PostgreSQL
    /// text cannot hold.
    pub fn new(location: impl Into<String>, field: Option<&str>, reason: impl Into<String>, record: &str) -> Self {
        let mut record = record.replace('\0', "");
        record.truncate(record.floor_char_boundary(QUARANTINE_TEXT_MAX));
        let (location, field) = (location.into(), field.map(str::to_owned));
        Self { location, field, reason: reason.into(), record, movie_id: None }
    }

    /// The same, of a movie that is to be asked for again.
    pub fn retried(self, movie_id: MovieId) -> Self {
        Self { movie_id: Some(movie_id), ..self }
    }
}

/// First wait before a quarantined movie is asked for again: short enough for the next nightly ingest.
const RETRY_MIN: TimeDelta = TimeDelta::hours(12);

/// Longest wait, and attempts after which nobody asks any more: with 12 hours doubling to 30 days, about four months.
const RETRY_MAX: TimeDelta = TimeDelta::days(30);
const RETRIES_MAX: u32 = 10;

/// How long to wait after the attempt number `tries` (from 1) failed; `None` after the last one. An operator can have
/// the movie asked for again all the same.
pub fn retry_after(tries: u32) -> Option<TimeDelta> {
    let doubled = RETRY_MIN.checked_mul(1 << tries.saturating_sub(1).min(RETRIES_MAX)).unwrap_or(RETRY_MAX);
    (tries < RETRIES_MAX).then_some(doubled.min(RETRY_MAX))
}

/// How an ingest job finds the movies to fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IngestMode {
    /// Changes since the last sync where TMDB's change list still reaches back that far, everything otherwise.
    #[default]
    Auto,
    Full,
    Changes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_month_and_end() {
        let hours: Vec<_> = (1..=11).map(|tries| retry_after(tries).map(|wait| wait.num_hours())).collect();
        let doubled = [12, 24, 48, 96, 192, 384, 720, 720, 720].map(Some);
        assert_eq!(hours, [&doubled[..], &[None, None]].concat());
        assert_eq!(retry_after(u32::MAX), None);
    }
}
