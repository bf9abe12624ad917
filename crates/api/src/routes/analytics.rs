//! Statistics by genre and by decade, trends, and actors' collaborators.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::hours::Window;
use domain::trends::Metric;
use domain::{MovieId, PersonId};
use query::actor_collaboration::{Collaborators, CollaboratorsView};
use query::genre_analytics::{GenreAnalytics, GenreView};
use query::genre_stats::{GenreItem, TopGenres};
use query::ratings_by_decade::{DecadeItem, RatingsByDecade};
use query::trends::{Trends, TrendsView};
use query::{ArtifactList, Paged};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{AsOf, Paging};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{GenreName, Id, InPath, Month, Params, Parsed, Year};

/// List genres by their number of movies, the largest first.
#[utoipa::path(
    get, path = "/api/v1/analytics/top-genres", operation_id = "list_top_genres", tag = "analytics",
    params(Paging, AsOf),
    responses(
        (status = 200, body = ArtifactList<GenreItem>),
        (status = 404, description = "No run of that day or earlier is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn top_genres(
    state: Data<State>,
    request: HttpRequest,
    Params(page): Params<Paging>,
    Params(run): Params<AsOf>,
) -> Result<HttpResponse, ApiError> {
    state.answers.list(&request, Paged::new(TopGenres { as_of: run.day() }, page)).await
}

/// List ratings by decade, oldest first.
#[utoipa::path(
    get, path = "/api/v1/analytics/ratings-by-decade", operation_id = "list_ratings_by_decade", tag = "analytics",
    params(Paging, AsOf),
    responses(
        (status = 200, body = ArtifactList<DecadeItem>),
        (status = 404, description = "No run of that day or earlier is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn ratings_by_decade(
    state: Data<State>,
    request: HttpRequest,
    Params(page): Params<Paging>,
    Params(run): Params<AsOf>,
) -> Result<HttpResponse, ApiError> {
    state.answers.list(&request, Paged::new(RatingsByDecade { as_of: run.day() }, page)).await
}

/// Filters by date of release.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ReleaseParams {
    /// Only movies released in this year.
    #[param(value_type = Option<u16>, minimum = 1870, maximum = 2200, example = 1999)]
    year: Option<Year>,
    /// Only movies released in this month; without `year`, in this month of any year.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 12)]
    month: Option<Month>,
}

/// Show statistics and movies of a genre, for all time or for a year or month of release.
///
/// With `as_of`, statistics and trends are those of that day; the list of movies is always current.
#[utoipa::path(
    get, path = "/api/v1/analytics/genre/{genre}", operation_id = "get_genre_analytics", tag = "analytics",
    params(("genre" = String, Path, description = "The genre's name; upper and lower case are equal", example = "drama"), ReleaseParams, AsOf),
    responses(
        (status = 200, body = GenreView),
        (status = 404, description = "No such genre, or no run of that day or earlier is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn genre(
    state: Data<State>,
    request: HttpRequest,
    InPath(genre): InPath,
    Params(released): Params<ReleaseParams>,
    Params(run): Params<AsOf>,
) -> Result<HttpResponse, ApiError> {
    let (year, month) = (released.year.map(Year::get), released.month.map(Month::get));
    state.answers.list(&request, GenreAnalytics { genre: genre.into(), year, month, as_of: run.day() }).await
}

/// Parameters of trends.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct TrendsParams {
    /// rating, sentiment or popularity.
    #[param(value_type = String, required = true, example = "sentiment")]
    metric: Option<Parsed<Metric>>,
    /// A number of days such as 7d, 30d or 90d, or all.
    #[param(value_type = String, default = "30d", example = "30d")]
    window: Parsed<Window>,
    /// Only this movie.
    #[param(value_type = Option<i64>, minimum = 1, example = 550)]
    movie_id: Option<Parsed<MovieId>>,
    /// Only this genre; upper and lower case are equal.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
}

impl Default for TrendsParams {
    fn default() -> Self {
        Self { metric: None, window: Parsed(Window::Days(30)), movie_id: None, genre: None }
    }
}

/// Show a metric day by day, for all movies, a genre or a movie.
#[utoipa::path(
    get, path = "/api/v1/analytics/trends", operation_id = "get_trends", tag = "analytics", params(TrendsParams, AsOf),
    responses(
        (status = 200, body = TrendsView),
        (status = 404, description = "No such movie, or no run of that day or earlier is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn trends(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<TrendsParams>,
    Params(run): Params<AsOf>,
) -> Result<HttpResponse, ApiError> {
    let TrendsParams { metric, window: Parsed(window), movie_id, genre } = params;
    let Some(Parsed(metric)) = metric else {
        return Err(ApiError::invalid("metric", "must be given: rating, sentiment or popularity"));
    };
    if movie_id.is_some() && genre.is_some() {
        return Err(ApiError::invalid("movie_id", "cannot be combined with genre"));
    }
    let (movie_id, genre) = (movie_id.map(|id| id.0), genre.map(String::from));
    state.answers.list(&request, Trends { metric, window, movie_id, genre, as_of: run.day() }).await
}

/// List the people with whom an actor appeared, most common movies first.
#[utoipa::path(
    get, path = "/api/v1/analytics/actors/{id}/collaborators", operation_id = "list_collaborators", tag = "analytics",
    params(("id" = i64, Path, minimum = 1, description = "The person's TMDB id", example = 1158), Paging, AsOf),
    responses(
        (status = 200, body = CollaboratorsView),
        (status = 404, description = "No such person, or no run of that day or earlier is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn collaborators(
    state: Data<State>,
    request: HttpRequest,
    Id(person_id): Id<PersonId>,
    Params(page): Params<Paging>,
    Params(run): Params<AsOf>,
) -> Result<HttpResponse, ApiError> {
    state.answers.list(&request, Paged::new(Collaborators { person_id, as_of: run.day() }, page)).await
}
