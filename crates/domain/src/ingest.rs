//! What flows from any source into the catalogue.

use serde::{Deserialize, Serialize};

use crate::MovieId;
use crate::movies::{Credits, DailyMetrics, Movie, Rating, Review};

/// Where a fact came from. Ratings and reviews are unique per source, since every source numbers its own viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Tmdb,
    Tmdb5000,
    MoviesDataset,
    Movielens,
    Demo,
    /// Viewers themselves, through the API.
    Viewers,
}

impl Source {
    /// The word used in tables, logs and the CLI.
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

/// One parsed record of a source, in the order the source has them.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A movie in full; replaces what the catalogue has.
    Movie(Box<Movie>),
    /// A movie of which the source knows little (MovieLens: title, year, genres); fills a gap, never overwrites.
    Stub(Box<Movie>),
    /// Credits from a file of their own, for a movie that came before.
    Credits(MovieId, Credits),
    /// Keywords from a file of their own, for a movie that came before.
    Keywords(MovieId, Vec<String>),
    Metrics(DailyMetrics),
    Rating(Rating),
    Review(Review),
    /// The source got this one wrong: it is kept aside with the reason, counted, and stops nothing.
    Quarantined(Quarantined),
}

/// A record that could not be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Where it stood: `movies.csv:123`, `movie/550`.
    pub location: String,
    pub field: Option<String>,
    pub reason: String,
    /// The record's text, cut at [`QUARANTINE_TEXT_MAX`] bytes.
    pub record: String,
}

/// Enough to recognise a bad row by; a shifted CSV row can be megabytes.
pub const QUARANTINE_TEXT_MAX: usize = 2_000;

impl Quarantined {
    /// Cuts `record` to [`QUARANTINE_TEXT_MAX`] bytes on a character boundary and drops NUL bytes, which PostgreSQL
    /// text cannot hold.
    pub fn new(location: impl Into<String>, field: Option<&str>, reason: impl Into<String>, record: &str) -> Self {
        let mut record = record.replace('\0', "");
        record.truncate(record.floor_char_boundary(QUARANTINE_TEXT_MAX));
        Self { location: location.into(), field: field.map(str::to_owned), reason: reason.into(), record }
    }
}

/// How an ingest job finds the movies to fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IngestMode {
    /// Changes since the last sync where TMDB can still tell them, everything otherwise.
    #[default]
    Auto,
    Full,
    Changes,
}
