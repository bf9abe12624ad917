//! A search request and its answer, the same whichever engine answers.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::MovieId;
use crate::page::Page;

/// Hits that are counted and can be paged to. Both engines stop there (it is Meilisearch's own default), so `total`
/// means the same from either.
pub const MAX_TOTAL: i64 = 1_000;

/// Longest query text taken, in characters.
pub const MAX_QUERY_CHARS: usize = 200;

/// Order of the hits, the greatest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// The source's popularity.
    Popularity,
    /// Vote average.
    Rating,
    /// The newest first.
    ReleaseDate,
    /// Likeness to the text.
    #[default]
    Relevance,
}

impl SortBy {
    /// The order where none is asked for: without words no movie is more relevant than another.
    pub fn default_for(text: &str) -> Self {
        if text.is_empty() { Self::Popularity } else { Self::Relevance }
    }
}

/// A search request. An empty `text` matches every movie.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchQuery {
    pub text: String,
    /// A genre's name, in any case.
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
    /// The engine of choice, where it is configured and answers.
    Meilisearch,
    /// PostgreSQL's full text and trigrams: the default, and the fallback.
    Postgres,
}

/// One movie found.
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

/// A movie as the search engines hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchDocument {
    #[serde(flatten)]
    pub hit: SearchHit,
    pub original_title: Option<String>,
    pub release_year: Option<i32>,
    pub keywords: Vec<String>,
    /// Directors and leading cast.
    pub people: Vec<String>,
    /// Words of the title. Of two titles that match alike the shorter one is the better hit: "godfather" means "The Godfather", not
    /// "The Godfather Part III".
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
