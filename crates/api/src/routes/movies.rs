//! Movies: the list, details, sentiment and similar titles.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::MovieId;
use domain::hours::Window;
use query::movies::{MovieItem, MoviePage, MovieView, Movies};
use query::sentiment::{MovieSentiment, SentimentView};
use query::similar::{Similar, SimilarView};
use query::{List, Paged};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{AsOf, Explain, Paging};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{GenreName, Id, Params, Parsed};

/// Filters of the movie list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct MovieFilter {
    /// Only movies of this genre; upper and lower case are equal.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
}

/// List movies, most popular first.
#[utoipa::path(
    get, path = "/api/v1/movies", operation_id = "list_movies", tag = "movies", params(MovieFilter, Paging),
    responses((status = 200, body = List<MovieItem>)),
)]
pub async fn list(
    state: Data<State>,
    request: HttpRequest,
    Params(filter): Params<MovieFilter>,
    Params(page): Params<Paging>,
) -> Result<HttpResponse, ApiError> {
    state.answers.list(&request, Paged::new(Movies { genre: filter.genre.map(String::from) }, page)).await
}

/// Show one movie.
///
/// The answer combines the catalogue, the numbers that a source observed last, and viewers' events: history from the
/// batch layer, the last 48 hours from the speed layer, each hour from exactly one of them.
#[utoipa::path(
    get, path = "/api/v1/movies/{id}", operation_id = "get_movie", tag = "movies",
    params(("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550), Explain),
    responses(
        (status = 200, body = MovieView),
        (status = 404, description = "No such movie", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn show(
    state: Data<State>,
    request: HttpRequest,
    Id(movie_id): Id<MovieId>,
    Params(Explain { explain }): Params<Explain>,
) -> Result<HttpResponse, ApiError> {
    state.answers.one(&request, MoviePage { movie_id, explain }).await
}

/// Parameters of a movie's sentiment.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SentimentParams {
    /// A number of hours (6 or 6h), of days (7d), or all.
    #[param(value_type = String, default = "7d", example = "7d")]
    window: Parsed<Window>,
}

impl Default for SentimentParams {
    fn default() -> Self {
        Self { window: Parsed(Window::Days(7)) }
    }
}

/// Show the sentiment of a movie's reviews.
///
/// History comes from the batch layer, the last 48 hours from the speed layer, each hour from exactly one of them.
#[utoipa::path(
    get, path = "/api/v1/movies/{id}/sentiment", operation_id = "get_movie_sentiment", tag = "movies",
    params(
        ("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550), SentimentParams, Explain,
    ),
    responses(
        (status = 200, body = SentimentView),
        (status = 404, description = "No such movie", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn sentiment(
    state: Data<State>,
    request: HttpRequest,
    Id(movie_id): Id<MovieId>,
    Params(params): Params<SentimentParams>,
    Params(Explain { explain }): Params<Explain>,
) -> Result<HttpResponse, ApiError> {
    state.answers.list(&request, MovieSentiment { movie_id, window: params.window.0, explain }).await
}

/// List titles similar to a movie, most similar first.
///
/// Also answers at `/api/v1/recommendations/movies/{id}`. A movie that was added after the run has an empty list.
#[utoipa::path(
    get, path = "/api/v1/movies/{id}/similar", operation_id = "list_similar_movies", tag = "recommendations",
    params(("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550), Paging, AsOf),
    responses(
        (status = 200, body = SimilarView),
        (status = 404, description = "No such movie, or no run of that day or earlier is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn similar(
    state: Data<State>,
    request: HttpRequest,
    Id(movie_id): Id<MovieId>,
    Params(page): Params<Paging>,
    Params(run): Params<AsOf>,
) -> Result<HttpResponse, ApiError> {
    state.answers.list(&request, Paged::new(Similar { movie_id, as_of: run.day() }, page)).await
}
