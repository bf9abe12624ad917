//! A search query and its results, independent of the engine.

mod fold;
mod keys;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::MovieId;
use crate::page::Page;

pub use fold::{compact, fold, without_article};
pub use keys::{KEYS_VERSION, KeyKind, NameFields, QueryKeys, title_keys};

/// Upper bound on the hits that are counted and can be paged to. Both engines apply it (it is Meilisearch's default),
/// so `total` means the same from either.
pub const MAX_TOTAL: i64 = 1_000;

/// Longest accepted query text, in characters.
pub const MAX_QUERY_CHARS: usize = 200;

/// Order of the hits, descending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// By the source's popularity.
    Popularity,
    /// By vote average.
    Rating,
    /// By release date, newest first.
    ReleaseDate,
    /// By relevance to the text.
    #[default]
    Relevance,
}

impl SortBy {
    /// The order where the request has none: without words there is no relevance, so by popularity.
    pub fn default_for(text: &str) -> Self {
        if text.is_empty() { Self::Popularity } else { Self::Relevance }
    }
}

/// A search request. An empty `text` matches every movie.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchQuery {
    pub text: String,
    /// A genre's name; case is ignored.
    pub genre: Option<String>,
    pub rating_min: Option<f64>,
    pub rating_max: Option<f64>,
    pub year_from: Option<i32>,
    pub year_to: Option<i32>,
    pub sort_by: SortBy,
    pub page: Page,
}

/// The engine that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Meilisearch: used where it is configured and reachable.
    Meilisearch,
    /// PostgreSQL's full-text search and trigrams: the default, and the fallback.
    Postgres,
}

/// One movie that matches a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    pub movie_id: MovieId,
    pub title: String,
    pub release_date: Option<NaiveDate>,
    pub genres: Vec<String>,
    pub vote_average: f64,
    pub vote_count: i64,
    pub popularity: f64,
    pub overview: Option<String>,
    pub poster_path: Option<String>,
}

/// A page of hits. `total` is capped at [`MAX_TOTAL`].
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResults {
    pub hits: Vec<SearchHit>,
    pub total: i64,
    pub engine: Engine,
}

/// A movie as the search engines store it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchDocument {
    #[serde(flatten)]
    pub hit: SearchHit,
    pub original_title: Option<String>,
    #[serde(flatten)]
    pub names: NameFields,
    pub release_year: Option<i32>,
    pub keywords: Vec<String>,
    /// Names of directors and leading cast.
    pub people: Vec<String>,
    /// Number of words in the title. Of two titles that match equally well the shorter one is the better hit:
    /// "godfather" means "The Godfather", not "The Godfather Part III".
    pub title_words: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_ordered_by_relevance_where_there_are_words() {
        assert_eq!(SortBy::default_for("matrix"), SortBy::Relevance);
        assert_eq!(SortBy::default_for(""), SortBy::Popularity);
    }
}
