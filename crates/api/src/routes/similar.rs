//! Titles similar to a movie.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use domain::MovieId;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::{Limit, Offset, Page};
use serde::{Deserialize, Serialize};
use storage::postgres::batch::similar::{self, SimilarRow};
use utoipa::{IntoParams, ToSchema};

use super::artifact::published;
use super::movies::no_movie;
use super::{ArtifactList, List, question};
use crate::State;
use crate::cache::{Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{Day, Id, Params};

#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SimilarParams {
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
    /// The answer as of that day: of the newest run that has seen no later day's facts. Runs of about a week are kept.
    #[param(value_type = Option<NaiveDate>, example = "2026-03-10")]
    as_of: Option<Day>,
}

/// One similar title.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimilarItem {
    movie_id: i64,
    title: String,
    release_date: Option<NaiveDate>,
    genres: Vec<String>,
    /// Likeness of genres, keywords, cast, director and era, 0 to 1.
    #[schema(example = 0.87)]
    score: f32,
    vote_average: f64,
    vote_count: i64,
    popularity: f64,
    poster_path: Option<String>,
}

impl From<SimilarRow> for SimilarItem {
    fn from(row: SimilarRow) -> Self {
        Self {
            movie_id: row.movie_id,
            title: row.title,
            release_date: row.release_date,
            genres: row.genres,
            score: row.score,
            vote_average: row.vote_average,
            vote_count: row.vote_count,
            popularity: row.popularity,
            poster_path: row.poster_path,
        }
    }
}

/// The movie whose similar titles are listed, and the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimilarBody {
    #[schema(value_type = i64, example = 550)]
    movie_id: MovieId,
    #[serde(flatten)]
    list: ArtifactList<SimilarItem>,
}

/// List titles similar to a movie, the most similar first.
///
/// Also answers at `/api/v1/recommendations/movies/{id}`. A movie that is newer than the run has an empty list.
#[utoipa::path(
    get, path = "/api/v1/movies/{id}/similar", operation_id = "list_similar_movies", tag = "recommendations",
    params(("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550), SimilarParams),
    responses(
        (status = 200, body = SimilarBody),
        (status = 404, description = "No such movie, or no run is kept of that day or before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn list(
    state: Data<State>,
    request: HttpRequest,
    Id(movie_id): Id<MovieId>,
    Params(params): Params<SimilarParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, Similar { movie_id, params }).await
}

struct Similar {
    movie_id: MovieId,
    params: SimilarParams,
}

const COLUMNS: &[&str] = &[
    "movie_id",
    "title",
    "release_date",
    "genres",
    "score",
    "vote_average",
    "vote_count",
    "popularity",
    "poster_path",
];

impl Question for Similar {
    type Body = SimilarBody;
    const FAMILY: CacheFamily = CacheFamily::Recommendations;

    fn key(&self) -> Result<String, ApiError> {
        question(&format!("/movies/{}/similar", self.movie_id), &self.params)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let movie_id = self.movie_id;
        let head = published(&state.pool, Artifact::SimilarMovies, self.params.as_of).await?;
        let page = Page { limit: self.params.limit, offset: self.params.offset };
        let found = similar::page(&state.pool, head.run_id, movie_id, page).await?;
        let (rows, total) = found.ok_or_else(|| no_movie(movie_id))?;
        let items: Vec<SimilarItem> = rows.into_iter().map(SimilarItem::from).collect();
        let list = ArtifactList::of(head, List { items, total, limit: self.params.limit, offset: self.params.offset });
        Ok(SimilarBody { movie_id, list })
    }

    const IS_LIST: bool = true;

    async fn table(mut self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if whole {
            self.params.limit = Limit::WHOLE;
        }
        Table::of("similar", COLUMNS, self.read(&state).await?.list.list.items)
    }
}
