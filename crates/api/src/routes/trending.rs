//! Trending movies: the nightly ranking, the ranking of the last hours, and the stream of its changes.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::trending::LastHours;
use futures::{Stream, stream};
use query::trending::{Follower, TrendingDaily, TrendingItem, TrendingNow, TrendingNowView, Update};
use query::{ArtifactList, Paged};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{AsOf, Explain, Paging, Top};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{self, Day, GenreName, Params};
use crate::sse::{self, Event};

/// Parameters of the nightly ranking.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct DailyParams {
    /// Only movies of this genre; upper and lower case are equal. They keep their overall ranks.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
    /// Former name of `as_of`.
    #[param(value_type = Option<NaiveDate>)]
    date: Option<Day>,
}

/// Rank movies by how they moved over the last seven days, computed nightly.
///
/// Also answers at `/api/v1/trending/daily`. `/api/v1/trending/movies` ranks by the last hours instead.
#[utoipa::path(
    get, path = "/api/v1/movies/trending", operation_id = "list_trending_movies", tag = "trending",
    params(DailyParams, AsOf, Paging),
    responses(
        (status = 200, body = ArtifactList<TrendingItem>),
        (status = 404, description = "No run of that day or earlier is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not computed yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn daily(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<DailyParams>,
    Params(run): Params<AsOf>,
    Params(page): Params<Paging>,
) -> Result<HttpResponse, ApiError> {
    let (as_of, date) = (run.day(), params.date.map(Day::get));
    if as_of.is_some() && date.is_some() {
        return Err(ApiError::invalid("date", "cannot be combined with as_of"));
    }
    let ranking = TrendingDaily { genre: params.genre.map(String::from), as_of, date };
    state.answers.list(&request, Paged::new(ranking, page)).await
}

/// Parameters of the ranking of the last hours.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct NowParams {
    /// Only movies of this genre; upper and lower case are equal. They are ranked among themselves.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
    /// Length of the window in hours.
    #[param(value_type = u8, minimum = 1, maximum = 48, default = 6)]
    window: LastHours,
}

impl NowParams {
    fn question(self, Top { limit }: Top, Explain { explain }: Explain) -> TrendingNow {
        TrendingNow { genre: self.genre.map(String::from), limit, window: self.window, explain }
    }
}

/// Rank movies by how they moved in the last hours.
///
/// The ranking includes movies that a source observed or viewers' events touched, hour by hour; a viewer's rating
/// counts as one more vote.
#[utoipa::path(
    get, path = "/api/v1/trending/movies", operation_id = "list_trending_now", tag = "trending",
    params(NowParams, Top, Explain),
    responses(
        (status = 200, body = TrendingNowView),
        (status = 404, description = "No movie has this genre", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The movies are still being loaded", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn now(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<NowParams>,
    Params(top): Params<Top>,
    Params(explain): Params<Explain>,
) -> Result<HttpResponse, ApiError> {
    state.answers.list(&request, params.question(top, explain)).await
}

/// Stream the ranking of the last hours.
///
/// Server-sent events: `ranking` with the whole list, then `change` when ranks change, at most once a second, with the
/// movies that entered, left or moved. The event `id` increases with every change of the movies' numbers.
#[utoipa::path(
    get, path = "/api/v1/trending/stream", operation_id = "stream_trending_now", tag = "trending",
    params(NowParams, Top),
    responses(
        (status = 200, description = "Events `ranking` (RankingEvent) and `change` (ChangeEvent)",
         body = String, content_type = "text/event-stream"),
        (status = 404, description = "No movie has this genre", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "This client has too many streams open", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "Too many streams are open, or the movies are still being loaded", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn stream(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<NowParams>,
    Params(top): Params<Top>,
) -> Result<HttpResponse, ApiError> {
    let client = extract::client(&request, state.client_header.as_deref());
    let follower = Follower::new(&state.reader, &params.question(top, Explain::default()), client).await?;
    Ok(sse::answer(events(follower), state.stopping.clone()))
}

/// Converts updates into events; ends when the ranking is no longer computed.
fn events(follower: Follower) -> impl Stream<Item = Event> {
    stream::unfold(follower, |mut follower| async move {
        let event = match follower.next().await? {
            Update::Ranking { version, view } => Event::new("ranking", version, &view),
            Update::Change { version, view } => Event::new("change", version, &view),
        };
        let event = event.inspect_err(|error| tracing::error!(%error, "cannot serialize a ranking event")).ok()?;
        Some((event, follower))
    })
}
