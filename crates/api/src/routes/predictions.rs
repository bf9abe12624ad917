//! Forecasts of popularity and trending rank, and how good they have been.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use domain::MovieId;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::{Limit, Offset, Page};
use domain::predictions::Horizon;
use serde::{Deserialize, Serialize};
use storage::postgres::artifacts::Head;
use storage::postgres::batch::predictions::{self, BacktestRow, MoviePredictionRow, RankedPredictionRow};
use utoipa::{IntoParams, ToSchema};

use super::artifact::published;
use super::movies::{genre, no_movie};
use super::{ArtifactList, List, question, tidy};
use crate::State;
use crate::cache::{Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{Day, GenreName, Id, Params};

#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ForecastParams {
    /// Days ahead.
    #[param(value_type = u8, minimum = 1, maximum = 14, default = 7)]
    horizon: Horizon,
    /// Only movies of this genre, in any case; they keep their overall ranks.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
    /// The answer as of that day: of the newest run that has seen no later day's facts. Runs of about a week are kept.
    #[param(value_type = Option<NaiveDate>, example = "2026-03-10")]
    as_of: Option<Day>,
}

/// A movie's place on the day forecast. The interval holds the outcome in four of five cases.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastItem {
    #[schema(example = 1)]
    rank: i32,
    movie_id: i64,
    title: String,
    release_date: Option<NaiveDate>,
    genres: Vec<String>,
    poster_path: Option<String>,
    popularity: f64,
    popularity_low: f64,
    popularity_high: f64,
    /// As it stands now.
    popularity_now: f64,
    trending_score: f64,
}

impl From<RankedPredictionRow> for ForecastItem {
    fn from(row: RankedPredictionRow) -> Self {
        Self {
            rank: row.rank,
            movie_id: row.movie_id,
            title: row.title,
            release_date: row.release_date,
            genres: row.genres,
            poster_path: row.poster_path,
            popularity: short(row.popularity),
            popularity_low: short(row.low),
            popularity_high: short(row.high),
            popularity_now: row.popularity_now,
            trending_score: short(row.trending_score),
        }
    }
}

/// How forecasts so many days ahead have done, over the last two weeks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accuracy {
    /// Days ahead.
    horizon: i16,
    forecasts: i64,
    /// Mean absolute error of popularity.
    mae: f64,
    /// The error of "as today".
    naive_mae: f64,
    /// By how much the forecast was better than "as today": 0.5 has half of its error.
    skill: Option<f64>,
    /// Share of outcomes within the interval; 0.8 is meant.
    coverage: f64,
}

impl From<BacktestRow> for Accuracy {
    fn from(row: BacktestRow) -> Self {
        Self {
            horizon: row.horizon,
            forecasts: row.forecasts,
            mae: tidy(row.mae),
            naive_mae: tidy(row.naive_mae),
            skill: (row.naive_mae > 0.0).then(|| tidy(1.0 - row.mae / row.naive_mae)),
            coverage: tidy(row.coverage),
        }
    }
}

/// The ranking forecast for a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastBody {
    #[schema(value_type = u8, example = 7)]
    horizon: i16,
    /// Null where no movie is forecast.
    day: Option<NaiveDate>,
    /// Null where there was too little history to try.
    accuracy: Option<Accuracy>,
    #[serde(flatten)]
    list: ArtifactList<ForecastItem>,
}

/// Rank movies by what will trend.
#[utoipa::path(
    get, path = "/api/v1/predictions/trending", operation_id = "list_trending_predictions", tag = "predictions",
    params(ForecastParams),
    responses(
        (status = 200, body = ForecastBody),
        (status = 404, description = "No run is kept of that day or before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn trending(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<ForecastParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, params).await
}

const COLUMNS: &[&str] = &[
    "rank",
    "movie_id",
    "title",
    "release_date",
    "genres",
    "popularity",
    "popularity_low",
    "popularity_high",
    "popularity_now",
    "trending_score",
    "poster_path",
];

impl Question for ForecastParams {
    type Body = ForecastBody;
    const FAMILY: CacheFamily = CacheFamily::Predictions;

    fn key(&self) -> Result<String, ApiError> {
        question("/predictions/trending", self)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let head = published(&state.pool, Artifact::TrendPredictions, self.as_of).await?;
        let genre = genre(&state.pool, self.genre.as_ref()).await?;
        let page = Page { limit: self.limit, offset: self.offset };
        let (rows, total) = predictions::page(&state.pool, head.run_id, self.horizon, genre.as_deref(), page).await?;
        let horizon = self.horizon.get();
        let accuracy = accuracy(state, &head).await?.into_iter().find(|accuracy| accuracy.horizon == horizon);
        let day = rows.first().map(|row| row.day);
        let items: Vec<ForecastItem> = rows.into_iter().map(ForecastItem::from).collect();
        let list = ArtifactList::of(head, List { items, total, limit: self.limit, offset: self.offset });
        Ok(ForecastBody { horizon, day, accuracy, list })
    }

    const IS_LIST: bool = true;

    async fn table(mut self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if whole {
            self.limit = Limit::WHOLE;
        }
        Table::of("predictions", COLUMNS, self.read(&state).await?.list.list.items)
    }
}

/// One day of a movie's forecast.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastDay {
    horizon: i16,
    day: NaiveDate,
    popularity: f64,
    popularity_low: f64,
    popularity_high: f64,
    trending_score: f64,
    rank: i32,
}

impl From<MoviePredictionRow> for ForecastDay {
    fn from(row: MoviePredictionRow) -> Self {
        Self {
            horizon: row.horizon,
            day: row.day,
            popularity: short(row.popularity),
            popularity_low: short(row.low),
            popularity_high: short(row.high),
            trending_score: short(row.trending_score),
            rank: row.rank,
        }
    }
}

/// A movie's forecast.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovieForecastBody {
    #[schema(value_type = i64, example = 550)]
    movie_id: MovieId,
    title: String,
    popularity_now: f64,
    /// The nearest day first; empty for a movie that is not active, or newer than the run.
    predictions: Vec<ForecastDay>,
    /// By days ahead.
    accuracy: Vec<Accuracy>,
    as_of: NaiveDate,
    #[schema(value_type = Uuid)]
    run_id: domain::RunId,
}

#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct MovieForecastParams {
    /// The answer as of that day: of the newest run that has seen no later day's facts. Runs of about a week are kept.
    #[param(value_type = Option<NaiveDate>, example = "2026-03-10")]
    as_of: Option<Day>,
}

/// Show a movie's forecast, one to fourteen days ahead.
#[utoipa::path(
    get, path = "/api/v1/predictions/movies/{id}", operation_id = "get_movie_predictions", tag = "predictions",
    params(("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550), MovieForecastParams),
    responses(
        (status = 200, body = MovieForecastBody),
        (status = 404, description = "No such movie, or no run is kept of that day or before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn of_movie(
    state: Data<State>,
    request: HttpRequest,
    Id(movie_id): Id<MovieId>,
    Params(params): Params<MovieForecastParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, MovieForecast { movie_id, params }).await
}

struct MovieForecast {
    movie_id: MovieId,
    params: MovieForecastParams,
}

const MOVIE_COLUMNS: &[&str] =
    &["horizon", "day", "popularity", "popularity_low", "popularity_high", "trending_score", "rank"];

impl Question for MovieForecast {
    type Body = MovieForecastBody;
    const FAMILY: CacheFamily = CacheFamily::Predictions;

    fn key(&self) -> Result<String, ApiError> {
        question(&format!("/predictions/movies/{}", self.movie_id), &self.params)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let movie_id = self.movie_id;
        let page = state.movies.load(movie_id).await?.ok_or_else(|| no_movie(movie_id))?;
        let head = published(&state.pool, Artifact::TrendPredictions, self.params.as_of).await?;
        let rows = predictions::of_movie(&state.pool, head.run_id, movie_id).await?;
        Ok(MovieForecastBody {
            movie_id,
            title: page.movie.title.clone(),
            popularity_now: page.popularity(),
            predictions: rows.into_iter().map(ForecastDay::from).collect(),
            accuracy: accuracy(state, &head).await?,
            as_of: head.as_of,
            run_id: head.run_id,
        })
    }

    const IS_LIST: bool = true;

    async fn table(self, state: Arc<State>, _whole: bool) -> Result<Table, ApiError> {
        Table::of("forecast", MOVIE_COLUMNS, self.read(&state).await?.predictions)
    }
}

async fn accuracy(state: &State, head: &Head) -> Result<Vec<Accuracy>, ApiError> {
    let rows = predictions::backtest(&state.pool, head.run_id).await?;
    Ok(rows.into_iter().map(Accuracy::from).collect())
}

/// A stored single-precision number, without the digits that widening makes up.
fn short(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}
