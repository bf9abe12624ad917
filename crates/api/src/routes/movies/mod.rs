//! Movies: the list and the page of one.

mod body;
mod loader;

use std::sync::Arc;
use std::time::Instant;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::MovieId;
use domain::artifacts::CacheFamily;
use domain::hours::Hour;
use domain::page::{Limit, Offset, Page};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::catalogue::movies;
use utoipa::IntoParams;

use body::MoviePage;
pub use body::{MovieBody, MovieItem, PersonBody};
pub use loader::Loader;

use super::merged::{CacheState, LayerHours, Provenance};
use super::{List, question};
use crate::State;
use crate::cache::{Live, Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{GenreName, Id, Params};

#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Only movies of this genre, in any case.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
}

/// List movies, the most popular first.
#[utoipa::path(
    get, path = "/api/v1/movies", operation_id = "list_movies", tag = "movies", params(ListParams),
    responses((status = 200, body = List<MovieItem>)),
)]
pub async fn list(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<ListParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, params).await
}

const COLUMNS: &[&str] = &[
    "movie_id",
    "title",
    "release_date",
    "genres",
    "runtime",
    "popularity",
    "vote_average",
    "vote_count",
    "poster_path",
];

impl Question for ListParams {
    type Body = List<MovieItem>;
    const FAMILY: CacheFamily = CacheFamily::Movies;

    fn key(&self) -> Result<String, ApiError> {
        question("/movies", self)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let genre = genre(&state.pool, self.genre.as_ref()).await?;
        let page = Page { limit: self.limit, offset: self.offset };
        let (rows, total) = movies::list(&state.pool, genre.as_deref(), page).await?;
        let items = rows.into_iter().map(MovieItem::from).collect();
        Ok(List { items, total, limit: self.limit, offset: self.offset })
    }

    const IS_LIST: bool = true;

    /// The whole list in the order of ids: no movie is missed or told twice, though popularity changes meanwhile.
    async fn table(self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if !whole {
            return Table::of("movies", COLUMNS, self.read(&state).await?.items);
        }
        let genre = genre(&state.pool, self.genre.as_ref()).await?;
        let read = move |after| -> BoxFuture<'static, _> {
            let (state, genre) = (state.clone(), genre.clone());
            Box::pin(async move {
                let rows = movies::after(&state.pool, genre.as_deref(), after, Limit::STEP).await?;
                let next = rows.last().map(|row| row.movie_id);
                Ok((rows.into_iter().map(MovieItem::from).collect(), next))
            })
        };
        Table::in_steps("movies", COLUMNS, 0, read).await
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct MovieParams {
    /// Adds which layer answered for how many hours, and what is cached. Such an answer is always computed.
    explain: bool,
}

/// Show one movie.
///
/// What the catalogue knows, the numbers that a source observed last, and what viewers did: history from the batch layer,
/// the last 48 hours from the speed layer, each hour from one of them.
#[utoipa::path(
    get, path = "/api/v1/movies/{id}", operation_id = "get_movie", tag = "movies",
    params(("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550), MovieParams),
    responses(
        (status = 200, body = MovieBody),
        (status = 404, description = "No such movie", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn show(
    state: Data<State>,
    request: HttpRequest,
    Id(id): Id<MovieId>,
    Params(params): Params<MovieParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, Movie { id, params }).await
}

/// A movie's page.
struct Movie {
    id: MovieId,
    params: MovieParams,
}

impl Question for Movie {
    type Body = MoviePage;
    const FAMILY: CacheFamily = CacheFamily::Movies;

    fn key(&self) -> Result<String, ApiError> {
        Ok(format!("/movies/{}", self.id))
    }

    fn live(&self) -> Live {
        Live::Movie(self.id)
    }

    fn cached(&self) -> bool {
        !self.params.explain
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let page = state.movies.load(self.id).await?.ok_or_else(|| no_movie(self.id))?;
        let started = Instant::now();
        let hours = LayerHours { batch: page.batch_hours.unsigned_abs(), speed: page.speed_hours.unsigned_abs() };
        // The catalogue, which every page has, is the batch layer's.
        let decision = page.split.decision(true, page.has_speed());
        state.routing.note(decision, hours, started);
        let provenance = if self.params.explain {
            let cache = CacheState::of(state, self).await?;
            let (watermark, cutoff) = (page.watermark.map(Hour::start), page.split.cutoff().start());
            Some(Provenance { spans: None, hours, run_id: page.run_id, watermark, cutoff, cache })
        } else {
            None
        };
        Ok(MoviePage { page, provenance })
    }
}

/// The answer where a movie is asked for that is not in the catalogue, or no longer shown.
pub fn no_movie(id: MovieId) -> ApiError {
    ApiError::NotFound { field: "id", what: format!("movie {id}") }
}

/// The genre as movies carry it. A genre that no statistics know may still be new, so it is taken as it was sent.
pub async fn genre(pool: &PgPool, sent: Option<&GenreName>) -> Result<Option<String>, StorageError> {
    let Some(sent) = sent else { return Ok(None) };
    let known = movies::genre_name(pool, sent.as_str()).await?;
    Ok(Some(known.unwrap_or_else(|| sent.as_str().to_owned())))
}
