//! One genre in depth.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use domain::RunId;
use domain::artifacts::{Artifact, CacheFamily};
use domain::genre_analytics::{Selection, Statistics};
use domain::hours::Window;
use domain::page::Limit;
use domain::trends::{Metric, Scope, summary};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use storage::postgres::artifacts::{self, Head};
use storage::postgres::batch;
use storage::postgres::batch::genre_analytics::{self, MovieRow};
use storage::postgres::catalogue::movies;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::cache::{Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{Day, GenreName, InPath, Params, Year};
use crate::routes::artifact::published;
use crate::routes::trends::first_day;
use crate::routes::{question, tidy};

/// Over which the genre's directions are told: the default window of `/analytics/trends`.
const TRENDS_WINDOW: Window = Window::Days(30);

/// A month, 1 to 12.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Month(i32);

impl TryFrom<String> for Month {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.parse::<u8>() {
            Ok(month @ 1..=12) => Ok(Self(i32::from(month))),
            _ => Err("must be a month from 1 to 12"),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct GenreParams {
    /// Only movies released in that year.
    #[param(value_type = Option<u16>, minimum = 1870, maximum = 2200, example = 1999)]
    year: Option<Year>,
    /// Only movies released in that month; without a year, of any.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 12)]
    month: Option<Month>,
    /// Statistics and trends as of that day: of the newest runs that have seen no later day's facts. Runs of about a week
    /// are kept. The list of movies is the catalogue's of now.
    #[param(value_type = Option<NaiveDate>, example = "2026-03-10")]
    as_of: Option<Day>,
}

/// A genre's statistics and all its movies (seed 1, section 3.3).
#[derive(Debug, Serialize, ToSchema)]
pub struct GenreBody {
    #[schema(example = "Drama")]
    genre: String,
    year: Option<i32>,
    month: Option<i32>,
    statistics: GenreStatistics,
    /// All of them as the catalogue has them now, best rated first.
    top_movies: Vec<GenreMovie>,
    trends: GenreTrends,
    #[schema(example = "batch")]
    data_source: &'static str,
    /// The last day whose facts the run has seen.
    as_of: NaiveDate,
    #[schema(value_type = Uuid)]
    run_id: RunId,
}

/// Null where no movie of the selection has the value.
#[derive(Debug, Serialize, ToSchema)]
pub struct GenreStatistics {
    total_movies: i64,
    /// 0 to 10, over movies with votes.
    avg_rating: Option<f64>,
    /// -1 to 1, over reviews.
    avg_sentiment: Option<f64>,
    avg_popularity: Option<f64>,
    /// US dollars.
    total_revenue: i64,
    /// US dollars.
    avg_budget: Option<f64>,
    /// Minutes.
    avg_runtime: Option<f64>,
}

impl From<Statistics> for GenreStatistics {
    fn from(statistics: Statistics) -> Self {
        Self {
            total_movies: statistics.total_movies,
            avg_rating: statistics.avg_rating.map(tidy),
            avg_sentiment: statistics.avg_sentiment.map(tidy),
            avg_popularity: statistics.avg_popularity.map(tidy),
            total_revenue: statistics.total_revenue,
            avg_budget: statistics.avg_budget.map(tidy),
            avg_runtime: statistics.avg_runtime.map(tidy),
        }
    }
}

/// A movie of the selection.
#[derive(Debug, Serialize, ToSchema)]
pub struct GenreMovie {
    movie_id: i64,
    title: String,
    vote_average: f64,
    popularity: f64,
    vote_count: i64,
    release_date: Option<NaiveDate>,
}

impl From<MovieRow> for GenreMovie {
    fn from(row: MovieRow) -> Self {
        let MovieRow { movie_id, title, vote_average, popularity, vote_count, release_date } = row;
        Self { movie_id, title, vote_average, popularity, vote_count, release_date }
    }
}

/// Where the genre as a whole is going, over the last 30 days; null until trends are computed.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct GenreTrends {
    #[schema(example = "increasing")]
    rating_trend: Option<&'static str>,
    sentiment_trend: Option<&'static str>,
    popularity_trend: Option<&'static str>,
}

/// Show a genre's statistics and movies, of all times or of a year or month of release.
#[utoipa::path(
    get, path = "/api/v1/analytics/genre/{genre}", operation_id = "get_genre_analytics", tag = "analytics",
    params(("genre" = String, Path, description = "In any case", example = "drama"), GenreParams),
    responses(
        (status = 200, body = GenreBody),
        (status = 404, description = "No such genre, or no run is kept of that day or before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn genre(
    state: Data<State>,
    request: HttpRequest,
    InPath(genre): InPath,
    Params(params): Params<GenreParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, Genre { genre, params }).await
}

struct Genre {
    genre: GenreName,
    params: GenreParams,
}

const COLUMNS: &[&str] = &["movie_id", "title", "vote_average", "popularity", "vote_count", "release_date"];

impl Question for Genre {
    type Body = GenreBody;
    const FAMILY: CacheFamily = CacheFamily::Analytics;

    fn key(&self) -> Result<String, ApiError> {
        // As a parameter, so that the genre is encoded: it could hold a question mark.
        let path = question("/analytics/genre", &[("genre", self.genre.as_str())])?;
        question(&path, &self.params)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let (head, selection, statistics) = self.selected(state).await?;
        let movies: Vec<MovieRow> = genre_analytics::list(&state.pool, &selection).try_collect().await?;
        Ok(GenreBody {
            trends: trends(state, &selection.genre, self.params.as_of).await?,
            genre: selection.genre,
            year: selection.year,
            month: selection.month,
            statistics: statistics.into(),
            top_movies: movies.into_iter().map(GenreMovie::from).collect(),
            data_source: "batch",
            as_of: head.as_of,
            run_id: head.run_id,
        })
    }

    const IS_LIST: bool = true;

    /// In the order of ids, since it is read in steps.
    async fn table(self, state: Arc<State>, _whole: bool) -> Result<Table, ApiError> {
        let (_, selection, _) = self.selected(&state).await?;
        let read = move |after| -> BoxFuture<'static, _> {
            let (state, selection) = (state.clone(), selection.clone());
            Box::pin(async move {
                let rows = genre_analytics::after(&state.pool, &selection, after, Limit::STEP).await?;
                let next = rows.last().map(|row| row.movie_id);
                Ok((rows.into_iter().map(GenreMovie::from).collect(), next))
            })
        };
        Table::in_steps("genre", COLUMNS, 0, read).await
    }
}

impl Genre {
    /// The run, what is selected of it, and its statistics.
    async fn selected(&self, state: &State) -> Result<(Head, Selection, Statistics), ApiError> {
        let head = published(&state.pool, Artifact::GenreAnalytics, self.params.as_of).await?;
        let known = movies::genre_name(&state.pool, self.genre.as_str()).await?;
        let unknown = known.is_none();
        let selection = Selection {
            genre: known.unwrap_or_else(|| self.genre.as_str().to_owned()),
            year: self.params.year.map(Year::get),
            month: self.params.month.map(|month| month.0),
        };
        let sums = genre_analytics::sums(&state.pool, head.run_id, &selection).await?;
        // A genre that the statistics do not know may be newer than they are.
        if unknown && sums.total_movies == 0 {
            return Err(ApiError::NotFound { field: "genre", what: format!("genre {}", selection.genre) });
        }
        Ok((head, selection, sums.statistics()))
    }
}

async fn trends(state: &State, genre: &str, as_of: Option<Day>) -> Result<GenreTrends, ApiError> {
    let head = match as_of {
        Some(day) => artifacts::as_of(&state.pool, Artifact::TemporalTrends, day.get()).await?,
        None => artifacts::head(&state.pool, Artifact::TemporalTrends).await?,
    };
    let Some(head) = head else { return Ok(GenreTrends::default()) };
    Ok(GenreTrends {
        rating_trend: Some(trend(state, &head, genre, Metric::Rating).await?),
        sentiment_trend: Some(trend(state, &head, genre, Metric::Sentiment).await?),
        popularity_trend: Some(trend(state, &head, genre, Metric::Popularity).await?),
    })
}

async fn trend(state: &State, head: &Head, genre: &str, metric: Metric) -> Result<&'static str, ApiError> {
    let (scope, since) = (Scope::Genre(genre.to_owned()), first_day(TRENDS_WINDOW, head.as_of));
    let points = batch::trends::points(&state.pool, head.run_id, head.as_of, &scope, metric, since).await?;
    Ok(summary(&points).trend.as_str())
}
