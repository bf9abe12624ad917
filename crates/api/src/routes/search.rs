//! Search for movies: as the portal asks (seed 3), and with every filter and order (seed 1).

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use domain::artifacts::CacheFamily;
use domain::page::{Limit, Offset, Page};
use domain::search::{Engine, SearchHit, SearchQuery, SortBy};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{List, question};
use crate::State;
use crate::cache::{Question, answer};
use crate::error::ApiError;
use crate::export::Table;
use crate::extract::{GenreName, Params, QueryText, Rating, Year};

#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// What to look for, typing errors and accents forgiven. Empty finds every movie, the most popular first.
    #[param(value_type = String, max_length = 200, example = "godfahter")]
    q: QueryText,
    /// Only movies with at least this vote average.
    #[param(value_type = Option<f64>, minimum = 0, maximum = 10)]
    min_rating: Option<Rating>,
    /// Only movies released in this year.
    #[param(value_type = Option<u16>, minimum = 1870, maximum = 2200)]
    year: Option<Year>,
    /// Only movies of this genre, in any case.
    #[param(value_type = Option<String>, max_length = 60)]
    genre: Option<GenreName>,
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
}

impl From<&SearchParams> for SearchQuery {
    fn from(params: &SearchParams) -> Self {
        let text = params.q.as_str().to_owned();
        let year = params.year.map(Year::get);
        Self {
            // Without words there is nothing to be relevant to.
            sort_by: if text.is_empty() { SortBy::Popularity } else { SortBy::Relevance },
            text,
            genre: params.genre.as_ref().map(|genre| genre.as_str().to_owned()),
            rating_min: params.min_rating.map(Rating::get),
            rating_max: None,
            year_from: year,
            year_to: year,
            page: Page { limit: params.limit, offset: params.offset },
        }
    }
}

/// One movie found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchItem {
    movie_id: i64,
    title: String,
    release_date: Option<NaiveDate>,
    genres: Vec<String>,
    vote_average: f64,
    vote_count: i64,
    popularity: f64,
    overview: Option<String>,
    poster_path: Option<String>,
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

/// A page of movies found; `total` stops counting at 1,000.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchBody {
    #[serde(flatten)]
    list: List<SearchItem>,
    /// The text that was looked for.
    query: String,
    /// Which engine answered: PostgreSQL steps in where Meilisearch is absent or away.
    #[schema(value_type = String, example = "postgres")]
    engine: Engine,
}

/// Search movies by title, people, keywords and plot.
#[utoipa::path(
    get, path = "/api/v1/search", operation_id = "search_movies", tag = "search", params(SearchParams),
    responses((status = 200, body = SearchBody)),
)]
pub async fn search(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<SearchParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, params).await
}

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

impl Question for SearchParams {
    type Body = SearchBody;
    const FAMILY: CacheFamily = CacheFamily::Search;

    fn key(&self) -> Result<String, ApiError> {
        question("/search", self)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let found = state.search.search(&SearchQuery::from(self)).await?;
        let items = found.hits.into_iter().map(SearchItem::from).collect();
        let list = List { items, total: found.total, limit: self.limit, offset: self.offset };
        Ok(SearchBody { list, query: self.q.as_str().to_owned(), engine: found.engine })
    }

    const IS_LIST: bool = true;

    async fn table(mut self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if whole {
            self.limit = Limit::WHOLE;
        }
        Table::of("search", COLUMNS, self.read(&state).await?.list.items)
    }
}

/// By what hits are ordered.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Popularity,
    Rating,
    ReleaseDate,
    Relevance,
}

impl From<Order> for SortBy {
    fn from(order: Order) -> Self {
        match order {
            Order::Popularity => Self::Popularity,
            Order::Rating => Self::Rating,
            Order::ReleaseDate => Self::ReleaseDate,
            Order::Relevance => Self::Relevance,
        }
    }
}

#[derive(Debug, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct FilteredParams {
    /// What to look for, typing errors and accents forgiven. Empty finds every movie.
    #[param(value_type = String, max_length = 200, example = "matrix")]
    q: QueryText,
    /// Only movies of this genre, in any case.
    #[param(value_type = Option<String>, max_length = 60, example = "action")]
    genre: Option<GenreName>,
    /// Only movies with at least this vote average.
    #[param(value_type = Option<f64>, minimum = 0, maximum = 10, example = 7.0)]
    rating_min: Option<Rating>,
    /// Only movies with at most this vote average.
    #[param(value_type = Option<f64>, minimum = 0, maximum = 10)]
    rating_max: Option<Rating>,
    /// Only movies released in this year or later.
    #[param(value_type = Option<u16>, minimum = 1870, maximum = 2200)]
    year_from: Option<Year>,
    /// Only movies released in this year or before.
    #[param(value_type = Option<u16>, minimum = 1870, maximum = 2200)]
    year_to: Option<Year>,
    /// popularity, rating, release_date or relevance; the greatest first.
    #[param(value_type = String, default = "popularity")]
    sort_by: Order,
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
}

impl Default for FilteredParams {
    fn default() -> Self {
        Self {
            q: QueryText::default(),
            genre: None,
            rating_min: None,
            rating_max: None,
            year_from: None,
            year_to: None,
            sort_by: Order::Popularity,
            limit: Limit::default(),
            offset: Offset::default(),
        }
    }
}

impl FilteredParams {
    fn query(&self) -> SearchQuery {
        SearchQuery {
            text: self.q.as_str().to_owned(),
            genre: self.genre.as_ref().map(|genre| genre.as_str().to_owned()),
            rating_min: self.rating_min.map(Rating::get),
            rating_max: self.rating_max.map(Rating::get),
            year_from: self.year_from.map(Year::get),
            year_to: self.year_to.map(Year::get),
            sort_by: self.sort_by.into(),
            page: Page { limit: self.limit, offset: self.offset },
        }
    }
}

/// A page of movies found (seed 1, section 3.4); `total` stops counting at 1,000.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilteredBody {
    results: Vec<SearchItem>,
    total: i64,
    /// Counted from 1, in pages of `limit`.
    #[schema(example = 1)]
    page: i64,
    #[schema(value_type = u16, example = 20)]
    limit: Limit,
    #[schema(value_type = u32, example = 0)]
    offset: Offset,
    /// The text that was looked for.
    query: String,
    #[schema(value_type = String, example = "popularity")]
    sort_by: Order,
    /// Which engine answered.
    #[schema(value_type = String, example = "postgres")]
    engine: Engine,
}

/// Search movies with filters, in an order of choice.
#[utoipa::path(
    get, path = "/api/v1/search/movies", operation_id = "search_movies_filtered", tag = "search",
    params(FilteredParams), responses((status = 200, body = FilteredBody)),
)]
pub async fn filtered(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<FilteredParams>,
) -> Result<HttpResponse, ApiError> {
    if params.rating_min.zip(params.rating_max).is_some_and(|(min, max)| min.get() > max.get()) {
        return Err(ApiError::invalid("rating_max", "must not be below rating_min"));
    }
    if params.year_from.zip(params.year_to).is_some_and(|(from, to)| from.get() > to.get()) {
        return Err(ApiError::invalid("year_to", "must not be before year_from"));
    }
    answer(&state, &request, params).await
}

impl Question for FilteredParams {
    type Body = FilteredBody;
    const FAMILY: CacheFamily = CacheFamily::Search;

    fn key(&self) -> Result<String, ApiError> {
        question("/search/movies", self)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let found = state.search.search(&self.query()).await?;
        Ok(FilteredBody {
            results: found.hits.into_iter().map(SearchItem::from).collect(),
            total: found.total,
            page: self.offset.get() / self.limit.get() + 1,
            limit: self.limit,
            offset: self.offset,
            query: self.q.as_str().to_owned(),
            sort_by: self.sort_by,
            engine: found.engine,
        })
    }

    const IS_LIST: bool = true;

    async fn table(mut self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if whole {
            self.limit = Limit::WHOLE;
        }
        Table::of("search", COLUMNS, self.read(&state).await?.results)
    }
}
