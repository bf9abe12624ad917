//! What belongs to one viewer: hidden movies, and rows "because you liked …".

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::MovieId;
use query::recommendations::{Because, BecauseView};
use storage::postgres::recommendations::viewer;

use super::params::Top;
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{Id, Params, ViewerInPath};

/// Hide a movie from a viewer.
///
/// It is in none of the viewer's lists from then on. Hiding it twice is the same as once.
#[utoipa::path(
    put, path = "/api/v1/viewers/{user_id}/hidden/{id}", operation_id = "hide_movie", tag = "recommendations",
    params(
        ("user_id" = String, Path, description = "The viewer's name", example = "user_123"),
        ("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550),
    ),
    responses((status = 204, description = "Hidden"),
        (status = 404, description = "No such movie", body = Problem, content_type = "application/problem+json")),
)]
pub async fn hide(
    state: Data<State>,
    ViewerInPath(user): ViewerInPath,
    Id(movie): Id<MovieId>,
) -> Result<HttpResponse, ApiError> {
    if storage::postgres::catalogue::movies::headline(&state.pool, movie).await?.is_none() {
        return Err(ApiError::NotFound { field: "id", what: format!("movie {movie}") });
    }
    viewer::hide(&state.pool, &user, movie).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Show a hidden movie again.
#[utoipa::path(
    delete, path = "/api/v1/viewers/{user_id}/hidden/{id}", operation_id = "unhide_movie", tag = "recommendations",
    params(
        ("user_id" = String, Path, description = "The viewer's name", example = "user_123"),
        ("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550),
    ),
    responses((status = 204, description = "Not hidden")),
)]
pub async fn unhide(
    state: Data<State>,
    ViewerInPath(user): ViewerInPath,
    Id(movie): Id<MovieId>,
) -> Result<HttpResponse, ApiError> {
    viewer::unhide(&state.pool, &user, movie).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List titles similar to the movies that a viewer liked last.
#[utoipa::path(
    get, path = "/api/v1/viewers/{user_id}/because", operation_id = "list_because", tag = "recommendations",
    params(("user_id" = String, Path, description = "The viewer's name", example = "user_123"), Top),
    responses((status = 200, body = BecauseView),
        (status = 503, description = "Similar titles are not computed yet", body = Problem, content_type = "application/problem+json")),
)]
pub async fn because(
    state: Data<State>,
    request: HttpRequest,
    ViewerInPath(user_id): ViewerInPath,
    Params(top): Params<Top>,
) -> Result<HttpResponse, ApiError> {
    state.answers.one(&request, Because { user_id, limit: top.limit }).await
}
