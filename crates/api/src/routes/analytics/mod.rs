//! Statistics by genre and by decade, and who plays with whom.

mod actor_collaboration;
mod genre_analytics;

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::{Limit, Offset, Page};
use serde::{Deserialize, Serialize};
use storage::postgres::batch::genre_stats::{self, GenreStatsRow};
use storage::postgres::batch::ratings_by_decade::{self, DecadeRow};
use utoipa::{IntoParams, ToSchema};

pub use actor_collaboration::*;
pub use genre_analytics::*;

use super::artifact::published;
use super::{ArtifactList, List, question, tidy};
use crate::State;
use crate::cache::{Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{Day, Params};

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
    /// The answer as of that day: of the newest run that has seen no later day's facts. Runs of about a week are kept.
    #[param(value_type = Option<NaiveDate>, example = "2026-03-10")]
    as_of: Option<Day>,
}

/// One genre. An average is null where no movie's value is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct GenreItem {
    #[schema(example = "Drama")]
    genre: String,
    movie_count: i64,
    vote_count: i64,
    /// 0 to 10, over movies with votes.
    avg_rating: Option<f64>,
    avg_popularity: Option<f64>,
    /// US dollars.
    avg_budget: Option<f64>,
    /// Minutes.
    avg_runtime: Option<f64>,
    /// US dollars.
    total_revenue: i64,
}

impl From<GenreStatsRow> for GenreItem {
    fn from(row: GenreStatsRow) -> Self {
        Self {
            genre: row.genre,
            movie_count: row.movie_count,
            vote_count: row.vote_count,
            avg_rating: row.avg_rating.map(tidy),
            avg_popularity: row.avg_popularity.map(tidy),
            avg_budget: row.avg_budget.map(tidy),
            avg_runtime: row.avg_runtime.map(tidy),
            total_revenue: row.total_revenue,
        }
    }
}

/// Rank genres by their number of movies.
#[utoipa::path(
    get, path = "/api/v1/analytics/top-genres", operation_id = "list_top_genres", tag = "analytics",
    params(PageParams),
    responses(
        (status = 200, body = ArtifactList<GenreItem>),
        (status = 404, description = "No run is kept of that day or before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn top_genres(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<PageParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, TopGenres(params)).await
}

struct TopGenres(PageParams);

const GENRE_COLUMNS: &[&str] = &[
    "genre",
    "movie_count",
    "vote_count",
    "avg_rating",
    "avg_popularity",
    "avg_budget",
    "avg_runtime",
    "total_revenue",
];

impl Question for TopGenres {
    type Body = ArtifactList<GenreItem>;
    const FAMILY: CacheFamily = CacheFamily::Analytics;

    fn key(&self) -> Result<String, ApiError> {
        question("/analytics/top-genres", &self.0)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let head = published(&state.pool, Artifact::GenreStatsDaily, self.0.as_of).await?;
        let page = Page { limit: self.0.limit, offset: self.0.offset };
        let (rows, total) = genre_stats::top(&state.pool, head.run_id, page).await?;
        let items: Vec<GenreItem> = rows.into_iter().map(GenreItem::from).collect();
        Ok(ArtifactList::of(head, List { items, total, limit: self.0.limit, offset: self.0.offset }))
    }

    const IS_LIST: bool = true;

    async fn table(mut self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if whole {
            self.0.limit = Limit::WHOLE;
        }
        Table::of("top-genres", GENRE_COLUMNS, self.read(&state).await?.list.items)
    }
}

/// One decade of release.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecadeItem {
    #[schema(example = 1990)]
    decade: i32,
    movie_count: i64,
    /// Movies with votes: those that the averages are of.
    rated_count: i64,
    vote_count: i64,
    /// 0 to 10; each movie counts once.
    avg_rating: Option<f64>,
    /// 0 to 10; each vote counts once.
    weighted_rating: Option<f64>,
}

impl From<DecadeRow> for DecadeItem {
    fn from(row: DecadeRow) -> Self {
        Self {
            decade: row.decade,
            movie_count: row.movie_count,
            rated_count: row.rated_count,
            vote_count: row.vote_count,
            avg_rating: row.avg_rating.map(tidy),
            weighted_rating: row.weighted_rating.map(tidy),
        }
    }
}

/// List ratings by decade, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/analytics/ratings-by-decade", operation_id = "list_ratings_by_decade", tag = "analytics",
    params(PageParams),
    responses(
        (status = 200, body = ArtifactList<DecadeItem>),
        (status = 404, description = "No run is kept of that day or before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn ratings_by_decade(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<PageParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, RatingsByDecade(params)).await
}

struct RatingsByDecade(PageParams);

const DECADE_COLUMNS: &[&str] =
    &["decade", "movie_count", "rated_count", "vote_count", "avg_rating", "weighted_rating"];

impl Question for RatingsByDecade {
    type Body = ArtifactList<DecadeItem>;
    const FAMILY: CacheFamily = CacheFamily::Analytics;

    fn key(&self) -> Result<String, ApiError> {
        question("/analytics/ratings-by-decade", &self.0)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let head = published(&state.pool, Artifact::RatingsByDecade, self.0.as_of).await?;
        let rows = ratings_by_decade::all(&state.pool, head.run_id).await?;
        let total = rows.len() as i64;
        let page = rows.into_iter().skip(self.0.offset.get() as usize).take(self.0.limit.get() as usize);
        let items: Vec<DecadeItem> = page.map(DecadeItem::from).collect();
        Ok(ArtifactList::of(head, List { items, total, limit: self.0.limit, offset: self.0.offset }))
    }

    const IS_LIST: bool = true;

    async fn table(mut self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if whole {
            self.0.limit = Limit::WHOLE;
        }
        Table::of("ratings-by-decade", DECADE_COLUMNS, self.read(&state).await?.list.items)
    }
}
