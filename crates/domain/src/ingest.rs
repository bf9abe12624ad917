//! Records that sources deliver to the catalogue.

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
        Self { location: location.into(), field: field.map(str::to_owned), reason: reason.into(), record }
    }
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
