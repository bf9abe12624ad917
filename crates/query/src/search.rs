//! Search for movies: the simple form of seed 3, and the form of seed 1 with every filter and order.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use domain::artifacts::CacheFamily;
use domain::page::{Limit, Offset, Page};
use domain::search::{Engine, SearchHit, SearchQuery, SearchResults, SortBy};
use domain::trending::active::Numbers;
use serde::Serialize;
use utoipa::ToSchema;

use crate::numbers::{self, Numbered};
use crate::{IntoRows, List, PagedList, QueryError, Reader};

/// Columns of both forms.
const COLUMNS: &[&str] = &[
    "movie_id",
    "title",
    "release_date",
    "genres",
    "vote_average",
    "vote_count",
    "popularity",
    "overview",
    "poster_path",
];

/// Asks for movies by title, people, keywords and plot, in the order that fits the text ([`SortBy::default_for`]).
#[derive(Debug, Clone, Default, Serialize)]
pub struct Search {
    /// An empty text matches every movie.
    pub q: String,
    /// Least vote average, 0 to 10.
    pub min_rating: Option<f64>,
    /// Year of release.
    pub year: Option<i32>,
    /// Name of a genre; upper and lower case are equal.
    pub genre: Option<String>,
}

/// One search result.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchItem {
    pub movie_id: i64,
    pub title: String,
    pub release_date: Option<NaiveDate>,
    pub genres: Vec<String>,
    pub vote_average: f64,
    pub vote_count: i64,
    pub popularity: f64,
    pub overview: Option<String>,
    pub poster_path: Option<String>,
}

impl From<SearchHit> for SearchItem {
    fn from(hit: SearchHit) -> Self {
        Self {
            movie_id: hit.movie_id.get(),
            title: hit.title,
            release_date: hit.release_date,
            genres: hit.genres,
            vote_average: hit.vote_average,
            vote_count: hit.vote_count,
            popularity: hit.popularity,
            overview: hit.overview,
            poster_path: hit.poster_path,
        }
    }
}

impl Numbered for SearchItem {
    fn movie_id(&self) -> i64 {
        self.movie_id
    }

    fn set(&mut self, numbers: Numbers) {
        (self.popularity, self.vote_average, self.vote_count) =
            (numbers.popularity, numbers.vote_average, numbers.vote_count);
    }
}

/// Time limit of reading the hits' numbers: what Meilisearch has found does not wait longer for PostgreSQL.
const NUMBERS_TIMEOUT: Duration = Duration::from_millis(500);

/// What both forms say of their results.
struct Found {
    total: i64,
    engine: Engine,
    observed_at: Option<DateTime<Utc>>,
}

/// Searches, and shows the hits with the numbers of now rather than those of the search index.
async fn search(reader: &Reader, query: &SearchQuery) -> Result<(Vec<SearchItem>, Found), QueryError> {
    let SearchResults { hits, total, engine } = reader.search.search(query).await?;
    let mut items: Vec<SearchItem> = hits.into_iter().map(SearchItem::from).collect();
    let now = Utc::now();
    let observed_at = match tokio::time::timeout(NUMBERS_TIMEOUT, numbers::refresh(&reader.pool, &mut items)).await {
        Ok(Ok(())) => Some(now),
        Ok(Err(error)) => {
            tracing::warn!(%error, "search results show the numbers of the search index");
            None
        }
        Err(_elapsed) => None,
    };
    Ok((items, Found { total, engine, observed_at }))
}

/// A page of search results. `total` is exact up to 1,000, where counting stops.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchView {
    #[serde(flatten)]
    pub list: List<SearchItem>,
    /// The text that was searched for.
    pub query: String,
    /// The engine that answered: PostgreSQL if Meilisearch is not configured or unreachable.
    #[schema(value_type = String, example = "postgres")]
    pub engine: Engine,
    /// When popularity and votes were read. They are those of the movies' pages at that moment; null if PostgreSQL was
    /// away, so that they are as old as the search index.
    pub observed_at: Option<DateTime<Utc>>,
}

impl IntoRows for SearchView {
    type Row = SearchItem;

    fn into_rows(self) -> Vec<SearchItem> {
        self.list.items
    }
}

impl PagedList for Search {
    type View = SearchView;
    const NAME: &'static str = "search";
    const FAMILY: CacheFamily = CacheFamily::Search;
    const COLUMNS: &'static [&'static str] = COLUMNS;

    async fn page(&self, reader: &Reader, page: Page) -> Result<SearchView, QueryError> {
        let query = SearchQuery {
            text: self.q.clone(),
            genre: self.genre.clone(),
            rating_min: self.min_rating,
            rating_max: None,
            year_from: self.year,
            year_to: self.year,
            sort_by: SortBy::default_for(&self.q),
            page,
        };
        let (items, found) = search(reader, &query).await?;
        let list = List::new(page, items, found.total);
        Ok(SearchView { list, query: query.text, engine: found.engine, observed_at: found.observed_at })
    }
}

/// Asks for movies by text, with filters and a choice of order.
#[derive(Debug, Clone, Serialize)]
pub struct FilteredSearch {
    /// An empty text matches every movie.
    pub q: String,
    /// Name of a genre; upper and lower case are equal.
    pub genre: Option<String>,
    /// Vote average, 0 to 10.
    pub rating_min: Option<f64>,
    pub rating_max: Option<f64>,
    /// Year of release.
    pub year_from: Option<i32>,
    pub year_to: Option<i32>,
    pub sort_by: SortBy,
}

/// A page of search results (seed 1, section 3.4). `total` is exact up to 1,000, where counting stops.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilteredSearchView {
    pub results: Vec<SearchItem>,
    pub total: i64,
    /// Number of the page, from 1, in pages of `limit` items.
    #[schema(example = 1)]
    pub page: i64,
    #[schema(value_type = u16, example = 20)]
    pub limit: Limit,
    #[schema(value_type = u32, example = 0)]
    pub offset: Offset,
    /// The text that was searched for.
    pub query: String,
    #[schema(value_type = String, example = "relevance")]
    pub sort_by: SortBy,
    /// The engine that answered.
    #[schema(value_type = String, example = "postgres")]
    pub engine: Engine,
    /// When popularity and votes were read. They are those of the movies' pages at that moment; null if PostgreSQL was
    /// away, so that they are as old as the search index.
    pub observed_at: Option<DateTime<Utc>>,
}

impl IntoRows for FilteredSearchView {
    type Row = SearchItem;

    fn into_rows(self) -> Vec<SearchItem> {
        self.results
    }
}

impl PagedList for FilteredSearch {
    type View = FilteredSearchView;
    const NAME: &'static str = "filtered-search";
    const FAMILY: CacheFamily = CacheFamily::Search;
    const TABLE: &'static str = "search";
    const COLUMNS: &'static [&'static str] = COLUMNS;

    async fn page(&self, reader: &Reader, page: Page) -> Result<FilteredSearchView, QueryError> {
        let query = SearchQuery {
            text: self.q.clone(),
            genre: self.genre.clone(),
            rating_min: self.rating_min,
            rating_max: self.rating_max,
            year_from: self.year_from,
            year_to: self.year_to,
            sort_by: self.sort_by,
            page,
        };
        let (results, found) = search(reader, &query).await?;
        Ok(FilteredSearchView {
            results,
            total: found.total,
            page: page.number(),
            limit: page.limit,
            offset: page.offset,
            query: query.text,
            sort_by: query.sort_by,
            engine: found.engine,
            observed_at: found.observed_at,
        })
    }
}
