//! What is trending: in the last hours, as it changes, and as the nightly run ranked it.

mod now;
mod stream;

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::{Limit, Offset, Page};
use serde::{Deserialize, Serialize};
use storage::postgres::batch::trending::{self, TrendingRow};
use utoipa::{IntoParams, ToSchema};

use super::artifact::{published, run_as_of};
use super::movies::genre;
use super::{ArtifactList, List, question, tidy};
use crate::State;
use crate::cache::{Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{Day, GenreName, Params};

pub use now::*;
pub use stream::*;

#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct TrendingParams {
    /// Only movies of this genre, in any case; they keep their overall ranks.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
    /// The answer as of that day: of the newest run that has seen no later day's facts. Runs of about a week are kept.
    #[param(value_type = Option<NaiveDate>, example = "2026-03-10")]
    as_of: Option<Day>,
    /// An older name of `as_of`.
    #[param(value_type = Option<NaiveDate>)]
    date: Option<Day>,
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
}

/// A movie's place (field names of seed 1, section 3.2). Velocities are per hour, over the last seven days.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendingItem {
    #[schema(example = 1)]
    rank: i32,
    movie_id: i64,
    title: String,
    genres: Vec<String>,
    #[schema(example = 95.5)]
    trending_score: f64,
    /// Change of popularity per hour.
    velocity: f64,
    /// Change of the vote average per hour.
    acceleration: f64,
    popularity: f64,
    vote_average: f64,
    vote_count: i64,
    release_date: Option<NaiveDate>,
    /// New votes per hour.
    vote_velocity: f64,
    poster_path: Option<String>,
}

impl From<TrendingRow> for TrendingItem {
    fn from(row: TrendingRow) -> Self {
        Self {
            rank: row.rank,
            movie_id: row.movie_id,
            title: row.title,
            genres: row.genres,
            trending_score: tidy(row.trending_score),
            velocity: tidy(row.popularity_velocity),
            acceleration: tidy(row.rating_velocity),
            popularity: row.popularity,
            vote_average: row.vote_average,
            vote_count: row.vote_count,
            release_date: row.release_date,
            vote_velocity: tidy(row.vote_velocity),
            poster_path: row.poster_path,
        }
    }
}

/// Rank movies by what moves now.
///
/// Also answers at `/api/v1/trending/daily`.
#[utoipa::path(
    get, path = "/api/v1/movies/trending", operation_id = "list_trending_movies", tag = "trending",
    params(TrendingParams),
    responses(
        (status = 200, body = ArtifactList<TrendingItem>),
        (status = 404, description = "No run is kept of that day or before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn daily(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<TrendingParams>,
) -> Result<HttpResponse, ApiError> {
    if params.as_of.is_some() && params.date.is_some() {
        return Err(ApiError::invalid("date", "cannot be combined with as_of"));
    }
    answer(&state, &request, params).await
}

const COLUMNS: &[&str] = &[
    "rank",
    "movie_id",
    "title",
    "genres",
    "trending_score",
    "velocity",
    "acceleration",
    "popularity",
    "vote_average",
    "vote_count",
    "release_date",
    "vote_velocity",
    "poster_path",
];

impl Question for TrendingParams {
    type Body = ArtifactList<TrendingItem>;
    const FAMILY: CacheFamily = CacheFamily::Trending;

    fn key(&self) -> Result<String, ApiError> {
        question("/trending/daily", self)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let head = match self.date {
            Some(day) => run_as_of(&state.pool, Artifact::MovieTrendingDaily, "date", day).await?,
            None => published(&state.pool, Artifact::MovieTrendingDaily, self.as_of).await?,
        };
        let genre = genre(&state.pool, self.genre.as_ref()).await?;
        let page = Page { limit: self.limit, offset: self.offset };
        let (rows, total) = trending::page(&state.pool, head.run_id, genre.as_deref(), page).await?;
        let items: Vec<TrendingItem> = rows.into_iter().map(TrendingItem::from).collect();
        Ok(ArtifactList::of(head, List { items, total, limit: self.limit, offset: self.offset }))
    }

    const IS_LIST: bool = true;

    async fn table(mut self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if whole {
            self.limit = Limit::WHOLE;
        }
        Table::of("trending", COLUMNS, self.read(&state).await?.list.items)
    }
}
