//! Forecasts of popularity and trending rank, with their back-test errors.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::MovieId;
use domain::predictions::Horizon;
use query::Paged;
use query::predictions::{ForecastView, MovieForecast, MovieForecastView, TrendingForecast};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{AsOf, Paging};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{GenreName, Id, Params};

/// Parameters of the forecast ranking.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ForecastParams {
    /// Days ahead.
    #[param(value_type = u8, minimum = 1, maximum = 14, default = 7)]
    horizon: Horizon,
    /// Only movies of this genre; upper and lower case are equal. They keep their overall ranks.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
}

/// Rank movies by their forecast trending score.
#[utoipa::path(
    get, path = "/api/v1/predictions/trending", operation_id = "list_trending_predictions", tag = "predictions",
    params(ForecastParams, Paging, AsOf),
    responses(
        (status = 200, body = ForecastView),
        (status = 404, description = "No run of that day or earlier is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn trending(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<ForecastParams>,
    Params(page): Params<Paging>,
    Params(run): Params<AsOf>,
) -> Result<HttpResponse, ApiError> {
    let ForecastParams { horizon, genre } = params;
    let forecast = TrendingForecast { horizon, genre: genre.map(String::from), as_of: run.day() };
    state.answers.list(&request, Paged::new(forecast, page)).await
}

/// Show a movie's forecast for the next one to fourteen days.
#[utoipa::path(
    get, path = "/api/v1/predictions/movies/{id}", operation_id = "get_movie_predictions", tag = "predictions",
    params(("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550), AsOf),
    responses(
        (status = 200, body = MovieForecastView),
        (status = 404, description = "No such movie, or no run of that day or earlier is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn of_movie(
    state: Data<State>,
    request: HttpRequest,
    Id(movie_id): Id<MovieId>,
    Params(run): Params<AsOf>,
) -> Result<HttpResponse, ApiError> {
    state.answers.list(&request, MovieForecast { movie_id, as_of: run.day() }).await
}
