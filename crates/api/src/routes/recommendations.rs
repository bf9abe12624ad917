//! Lists for viewers, sessions and groups.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::MovieId;
use domain::page::Limit;
use domain::recommendations::GroupRule;
use domain::viewers::ViewerName;
use query::recommendations::{Group, GroupView, Recommendations, RecommendationsView, Session, SessionView, Wishes};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::error::ApiError;
use crate::extract::{Body, GenreName, Language, Minutes, MovieIds, Params, Rating, Share, Year};

/// Most movies of a session, as many as are read of a viewer.
const SESSION_MOVIES_MAX: usize = 200;

/// Greatest weight of a movie of a session.
const WEIGHT_MAX: f32 = 100.0;

/// Most viewers of a group: each one costs three statements.
const GROUP_MAX: usize = 10;

/// The viewer, and what the list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// The viewer's name. Nobody has to be known: a new viewer gets popular movies.
    #[param(value_type = String, max_length = 128, example = "user_123")]
    user_id: ViewerName,
}

/// What a list is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct WishParams {
    /// Number of movies.
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// Movies that must not be in the list, separated by commas; at most 500.
    #[param(value_type = String, example = "550,603")]
    exclude: MovieIds,
    /// Only movies of this genre; upper and lower case are equal.
    #[param(value_type = Option<String>, max_length = 60)]
    genre: Option<GenreName>,
    /// Only movies released in this year or later.
    #[param(value_type = Option<u16>, minimum = 1870, maximum = 2200)]
    year_from: Option<Year>,
    /// Only movies released in this year or before.
    #[param(value_type = Option<u16>, minimum = 1870, maximum = 2200)]
    year_to: Option<Year>,
    /// Only movies with at least this vote average.
    #[param(value_type = Option<f64>, minimum = 0, maximum = 10)]
    min_rating: Option<Rating>,
    /// Only movies of at most this length in minutes.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 10_000)]
    max_runtime: Option<Minutes>,
    /// Only movies of this original language, an ISO 639-1 code.
    #[param(value_type = Option<String>, example = "en")]
    language: Option<Language>,
    /// How much unlike each other the movies are (maximal marginal relevance over genres); 0 keeps the ranking.
    #[param(value_type = f32, minimum = 0, maximum = 1, default = 0)]
    diversity: Share,
    /// How much little known movies are preferred; 0 keeps the ranking.
    #[param(value_type = f32, minimum = 0, maximum = 1, default = 0)]
    novelty: Share,
    /// Add to each movie why it is in the list: layer, scores, and the viewer's movies that speak for it. Such an answer
    /// is always computed.
    explain: bool,
}

impl WishParams {
    fn wishes(self) -> Result<Wishes, ApiError> {
        let wishes = Wishes {
            limit: self.limit,
            exclude: self.exclude.into(),
            genre: self.genre.map(String::from),
            year_from: self.year_from.map(Year::get),
            year_to: self.year_to.map(Year::get),
            min_rating: self.min_rating.map(Rating::get),
            max_runtime: self.max_runtime.map(Minutes::get),
            language: self.language.map(String::from),
            diversity: self.diversity.get(),
            novelty: self.novelty.get(),
        };
        if wishes.year_from.zip(wishes.year_to).is_some_and(|(from, to)| from > to) {
            return Err(ApiError::invalid("year_to", "must not be before year_from"));
        }
        Ok(wishes)
    }
}

/// Recommend movies to a viewer, best first.
///
/// The nightly list of the batch layer and the candidates of the real-time layer, which follows the viewer's latest
/// events, are blended. Seen and hidden movies are never shown; a viewer of whom nothing is known gets popular movies. An
/// answer from the cache has the source `redis_cache`; an event of the viewer makes the list new. Also answers at
/// `/api/recommendations`. `movie_id` is the movie's number.
#[utoipa::path(
    get, path = "/api/v1/recommendations", operation_id = "list_recommendations", tag = "recommendations",
    params(ListParams, WishParams), responses((status = 200, body = RecommendationsView)),
)]
pub async fn list(
    state: Data<State>,
    request: HttpRequest,
    Params(ListParams { user_id }): Params<ListParams>,
    Params(params): Params<WishParams>,
) -> Result<HttpResponse, ApiError> {
    let explain = params.explain;
    let assignment = state.experiment.assignment(&user_id);
    let question = Recommendations { user_id, wishes: params.wishes()?, assignment, explain };
    state.answers.one(&request, question).await
}

/// A movie of a session.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SessionMovie {
    #[schema(value_type = i64, minimum = 1, example = 603)]
    movie_id: MovieId,
    /// How much the movie counts, -100 to 100; negative: a dislike.
    #[serde(default = "one")]
    #[schema(default = 1.0)]
    weight: f32,
}

fn one() -> f32 {
    1.0
}

/// The movies of a session.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct SessionRequest {
    /// 1 to 200 movies.
    movies: Vec<SessionMovie>,
}

/// Recommend movies to somebody who likes the given ones.
///
/// Nothing is stored. Filters and `limit` are parameters, as for a viewer's list.
#[utoipa::path(
    post, path = "/api/v1/recommendations/session", operation_id = "recommend_to_session", tag = "recommendations",
    params(WishParams), request_body(content = SessionRequest, content_type = "application/json"),
    responses((status = 200, body = SessionView)),
)]
pub async fn session(
    state: Data<State>,
    Params(params): Params<WishParams>,
    Body(sent): Body<SessionRequest>,
) -> Result<HttpResponse, ApiError> {
    if !(1..=SESSION_MOVIES_MAX).contains(&sent.movies.len()) {
        return Err(refused("movies", "must have 1 to 200 movies"));
    }
    if sent.movies.iter().any(|movie| movie.weight.is_nan() || movie.weight.abs() > WEIGHT_MAX) {
        return Err(refused("movies", "must have weights from -100 to 100"));
    }
    let movies = sent.movies.into_iter().map(|movie| (movie.movie_id, movie.weight)).collect();
    let view = Session { movies, wishes: params.wishes()? }.read(&state.reader).await?;
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(view))
}

/// The viewers of a group.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct GroupRequest {
    /// 1 to 10 viewers.
    #[schema(value_type = Vec<String>, example = json!(["user_123", "user_456"]))]
    user_ids: Vec<ViewerName>,
    /// `least_misery` (default): nobody gets what they dislike; `mean`: the mean of the scores.
    #[schema(value_type = String, example = "least_misery")]
    rule: GroupRule,
}

/// Recommend movies to several viewers at once.
///
/// Nobody of the group has seen or hidden a movie of the list. Viewers of whom nothing is known have no say.
#[utoipa::path(
    post, path = "/api/v1/recommendations/group", operation_id = "recommend_to_group", tag = "recommendations",
    params(WishParams), request_body(content = GroupRequest, content_type = "application/json"),
    responses((status = 200, body = GroupView)),
)]
pub async fn group(
    state: Data<State>,
    Params(params): Params<WishParams>,
    Body(sent): Body<GroupRequest>,
) -> Result<HttpResponse, ApiError> {
    if !(1..=GROUP_MAX).contains(&sent.user_ids.len()) {
        return Err(refused("user_ids", "must have 1 to 10 viewers"));
    }
    let view = Group { viewers: sent.user_ids, rule: sent.rule, wishes: params.wishes()? }.read(&state.reader).await?;
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(view))
}

fn refused(field: &str, reason: &str) -> ApiError {
    ApiError::InvalidBody { field: Some(field.to_owned()), reason: format!("{field} {reason}") }
}
