//! Search for movies: the simple form of seed 3, and the form of seed 1 with every filter and order.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::search::SortBy;
use query::Paged;
use query::search::{FilteredSearch, FilteredSearchView, Search, SearchView};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::Paging;
use crate::State;
use crate::error::ApiError;
use crate::extract::{GenreName, Params, QueryText, Rating, Year};

/// Parameters of the simple search.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// The text to search for; tolerates typing errors and ignores accents. An empty text matches every movie, most
    /// popular first.
    #[param(value_type = String, max_length = 200, example = "godfahter")]
    q: QueryText,
    /// Only movies with at least this vote average.
    #[param(value_type = Option<f64>, minimum = 0, maximum = 10)]
    min_rating: Option<Rating>,
    /// Only movies released in this year.
    #[param(value_type = Option<u16>, minimum = 1870, maximum = 2200)]
    year: Option<Year>,
    /// Only movies of this genre; upper and lower case are equal.
    #[param(value_type = Option<String>, max_length = 60)]
    genre: Option<GenreName>,
}

/// Search movies by title, people, keywords and plot.
#[utoipa::path(
    get, path = "/api/v1/search", operation_id = "search_movies", tag = "search", params(SearchParams, Paging),
    responses((status = 200, body = SearchView)),
)]
pub async fn search(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<SearchParams>,
    Params(page): Params<Paging>,
) -> Result<HttpResponse, ApiError> {
    let search = Search {
        q: params.q.into(),
        min_rating: params.min_rating.map(Rating::get),
        year: params.year.map(Year::get),
        genre: params.genre.map(String::from),
    };
    state.answers.list(&request, Paged::new(search, page)).await
}

/// Parameters of the search with filters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct FilteredParams {
    /// The text to search for; tolerates typing errors and ignores accents. An empty text matches every movie.
    #[param(value_type = String, max_length = 200, example = "matrix")]
    q: QueryText,
    /// Only movies of this genre; upper and lower case are equal.
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
    /// Order of the results: relevance, popularity, rating or release_date, each in descending order. By default
    /// relevance, and popularity where there is no text. Whatever the order, movies whose title matches come before
    /// those of a person, these before those whose words match, and movies that are only alike come last.
    #[param(value_type = Option<String>, example = "relevance")]
    sort_by: Option<SortBy>,
}

/// Search movies with filters and a choice of order.
#[utoipa::path(
    get, path = "/api/v1/search/movies", operation_id = "search_movies_filtered", tag = "search",
    params(FilteredParams, Paging), responses((status = 200, body = FilteredSearchView)),
)]
pub async fn filtered(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<FilteredParams>,
    Params(page): Params<Paging>,
) -> Result<HttpResponse, ApiError> {
    let sort_by = params.sort_by.unwrap_or_else(|| SortBy::default_for(params.q.as_str()));
    let search = FilteredSearch {
        q: params.q.into(),
        genre: params.genre.map(String::from),
        rating_min: params.rating_min.map(Rating::get),
        rating_max: params.rating_max.map(Rating::get),
        year_from: params.year_from.map(Year::get),
        year_to: params.year_to.map(Year::get),
        sort_by,
    };
    if search.rating_min.zip(search.rating_max).is_some_and(|(min, max)| min > max) {
        return Err(ApiError::invalid("rating_max", "must not be below rating_min"));
    }
    if search.year_from.zip(search.year_to).is_some_and(|(from, to)| from > to) {
        return Err(ApiError::invalid("year_to", "must not be before year_from"));
    }
    state.answers.list(&request, Paged::new(search, page)).await
}
