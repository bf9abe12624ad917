//! How ratings, sentiment and popularity change from day to day.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{NaiveDate, TimeDelta};
use domain::artifacts::{Artifact, CacheFamily};
use domain::hours::Window;
use domain::trends::{Metric, Point, Scope, Summary, summary};
use domain::{MovieId, RunId};
use serde::{Deserialize, Serialize};
use storage::postgres::batch;
use utoipa::{IntoParams, ToSchema};

use super::artifact::published;
use super::movies::genre;
use super::{question, tidy};
use crate::State;
use crate::cache::{Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{Day, GenreName, Params, Parsed};

#[derive(Debug, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct TrendsParams {
    /// rating, sentiment or popularity.
    #[param(value_type = String, required = true, example = "sentiment")]
    metric: Option<Parsed<Metric>>,
    /// 7d, 30d, 90d or any other number of days, or all.
    #[param(value_type = String, default = "30d", example = "30d")]
    window: Parsed<Window>,
    /// Of one movie.
    #[param(value_type = Option<i64>, minimum = 1, example = 550)]
    movie_id: Option<Parsed<MovieId>>,
    /// Of one genre, in any case.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
    /// The answer as of that day: of the newest run that has seen no later day's facts. Runs of about a week are kept.
    #[param(value_type = Option<NaiveDate>, example = "2026-03-10")]
    as_of: Option<Day>,
}

impl Default for TrendsParams {
    fn default() -> Self {
        Self { metric: None, window: Parsed(Window::Days(30)), movie_id: None, genre: None, as_of: None }
    }
}

/// A daily series (seed 1, section 3.3). It ends with `as_of`, the last day of the run.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendsBody {
    #[schema(example = "sentiment")]
    metric: &'static str,
    #[schema(example = "30d")]
    window: String,
    #[schema(value_type = Option<i64>)]
    movie_id: Option<MovieId>,
    genre: Option<String>,
    /// Oldest first, up to 1000; days of which nothing is known are left out.
    data_points: Vec<DataPoint>,
    summary: TrendSummary,
    as_of: NaiveDate,
    #[schema(value_type = Uuid)]
    run_id: RunId,
}

/// One day.
#[derive(Debug, Serialize, ToSchema)]
pub struct DataPoint {
    date: NaiveDate,
    value: f64,
    /// What the value is a mean of: reviews for sentiment, else movies.
    count: i64,
}

/// The series in numbers; null where there is no point.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendSummary {
    avg: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    /// increasing, stable or decreasing: the last third against the first.
    #[schema(example = "increasing")]
    trend: &'static str,
    /// Per day.
    change_rate: f64,
}

impl From<Summary> for TrendSummary {
    fn from(summary: Summary) -> Self {
        Self {
            avg: summary.avg.map(tidy),
            min: summary.min.map(tidy),
            max: summary.max.map(tidy),
            trend: summary.trend.as_str(),
            change_rate: tidy(summary.change_rate),
        }
    }
}

/// Show how a metric changes from day to day, over all movies, of a genre or of a movie.
#[utoipa::path(
    get, path = "/api/v1/analytics/trends", operation_id = "get_trends", tag = "analytics", params(TrendsParams),
    responses(
        (status = 200, body = TrendsBody),
        (status = 404, description = "No such movie, or no run is kept of that day or before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn series(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<TrendsParams>,
) -> Result<HttpResponse, ApiError> {
    let Some(Parsed(metric)) = params.metric else {
        return Err(ApiError::invalid("metric", "must be given: rating, sentiment or popularity"));
    };
    if params.movie_id.is_some() && params.genre.is_some() {
        return Err(ApiError::invalid("movie_id", "cannot be combined with genre"));
    }
    answer(&state, &request, Series { metric, params }).await
}

/// Parameters that go together.
struct Series {
    metric: Metric,
    params: TrendsParams,
}

const COLUMNS: &[&str] = &["date", "value", "count"];

impl Question for Series {
    type Body = TrendsBody;
    const FAMILY: CacheFamily = CacheFamily::Trends;

    fn key(&self) -> Result<String, ApiError> {
        question("/analytics/trends", &self.params)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let metric = self.metric;
        let movie_id = self.params.movie_id.map(|id| id.0);
        if let Some(id) = movie_id {
            let unknown = || ApiError::NotFound { field: "movie_id", what: format!("movie {id}") };
            state.movies.load(id).await?.ok_or_else(unknown)?;
        }
        let head = published(&state.pool, Artifact::TemporalTrends, self.params.as_of).await?;
        let genre = genre(&state.pool, self.params.genre.as_ref()).await?;
        let scope = match (movie_id, &genre) {
            (Some(id), _) => Scope::Movie(id),
            (None, Some(genre)) => Scope::Genre(genre.clone()),
            (None, None) => Scope::All,
        };
        let since = first_day(self.params.window.0, head.as_of);
        let points = batch::trends::points(&state.pool, head.run_id, head.as_of, &scope, metric, since).await?;
        Ok(TrendsBody {
            metric: metric.as_str(),
            window: self.params.window.0.to_string(),
            movie_id,
            genre,
            summary: summary(&points).into(),
            data_points: points.into_iter().map(data_point).collect(),
            as_of: head.as_of,
            run_id: head.run_id,
        })
    }

    const IS_LIST: bool = true;

    async fn table(self, state: Arc<State>, _whole: bool) -> Result<Table, ApiError> {
        Table::of("trends", COLUMNS, self.read(&state).await?.data_points)
    }
}

fn data_point(point: Point) -> DataPoint {
    DataPoint { date: point.day, value: tidy(point.value), count: point.count }
}

/// The first of the window's days, of which the last is the run's. A day that has begun counts.
pub(super) fn first_day(window: Window, as_of: NaiveDate) -> NaiveDate {
    let back = window.hours().map(|hours| TimeDelta::days(i64::from(hours.div_ceil(24)) - 1));
    back.and_then(|back| as_of.checked_sub_signed(back)).unwrap_or(NaiveDate::MIN)
}
