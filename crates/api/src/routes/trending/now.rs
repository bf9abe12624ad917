//! What trends in the last hours.

use std::sync::Arc;
use std::time::Instant;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use domain::artifacts::CacheFamily;
use domain::hours::{Hour, Window};
use domain::merge::{CUTOFF_HOURS, Decision};
use domain::page::Limit;
use domain::trending::active::Place;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::active::Ranked;
use crate::cache::{Live, Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{GenreName, Params};
use crate::lag::Reading;
use crate::routes::merged::CacheState;
use crate::routes::{LayerHours, question, tidy};

/// The hours that the speed layer looks back, 1 to 48.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct LastHours(u32);

impl LastHours {
    pub(super) fn get(self) -> u32 {
        self.0
    }
}

impl Default for LastHours {
    fn default() -> Self {
        Self(6)
    }
}

impl TryFrom<String> for LastHours {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let hours = text.parse::<Window>().ok().and_then(Window::hours);
        hours
            .filter(|hours| (1..=CUTOFF_HOURS).contains(&i64::from(*hours)))
            .map(Self)
            .ok_or_else(|| format!("must be hours, from 1 to {CUTOFF_HOURS}"))
    }
}

impl From<LastHours> for String {
    fn from(hours: LastHours) -> Self {
        format!("{}h", hours.0)
    }
}

#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct TrendingNowParams {
    /// Only movies of this genre, in any case; ranks are among them.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// Hours back.
    #[param(value_type = u8, minimum = 1, maximum = 48, default = 6)]
    window: LastHours,
    /// Adds what the ranking was made of, and what is cached. Such an answer is always computed.
    #[serde(skip_serializing)]
    explain: bool,
}

/// A movie's place in the last hours.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendingNowItem {
    #[schema(example = 1)]
    rank: usize,
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
    /// Viewers' ratings of these hours are counted in, here and in `vote_count`.
    vote_average: f64,
    vote_count: i64,
}

impl TrendingNowItem {
    pub(super) fn of(rank: usize, place: Place) -> Self {
        let Place { trend, title, genres } = place;
        Self {
            rank,
            movie_id: trend.movie_id.get(),
            title,
            genres,
            trending_score: tidy(trend.score),
            velocity: tidy(trend.popularity_velocity),
            acceleration: tidy(trend.rating_velocity),
            popularity: trend.popularity,
            vote_average: tidy(trend.vote_average),
            vote_count: trend.vote_count,
        }
    }
}

/// What trends now (seed 1, section 3.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendingNowBody {
    trending_movies: Vec<TrendingNowItem>,
    generated_at: DateTime<Utc>,
    #[schema(example = "6h")]
    window: String,
    #[schema(example = "speed")]
    data_source: &'static str,
    /// `speed`, if the speed layer is so far behind the event log that the last minutes are missing.
    stale: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<TrendingNowProvenance>,
}

/// What a ranking was made of.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendingNowProvenance {
    #[schema(example = "6h")]
    window: String,
    /// The window's first hour; the current one is its last.
    since: DateTime<Utc>,
    /// The oldest and the newest hour in which something was known of a movie; null without movies.
    first_hour: Option<DateTime<Utc>>,
    last_hour: Option<DateTime<Utc>>,
    /// Movies among which was ranked.
    #[serde(rename = "films")]
    movies: usize,
    /// Hours of theirs in which a source observed them.
    observations: usize,
    /// Age of the oldest event that is not counted yet; zero where all are, null where the event log is away.
    lag_seconds: Option<f64>,
    /// When this process last read all movies, and when one of them last changed.
    loaded_at: Option<DateTime<Utc>>,
    last_change: Option<DateTime<Utc>>,
    cache: CacheState,
}

impl TrendingNowProvenance {
    fn of(window: String, ranked: &Ranked, lag: Reading, cache: CacheState) -> Self {
        let Ranked { ranking, span, status, .. } = ranked;
        Self {
            window,
            since: span.since.start(),
            first_hour: ranking.hours.map(|(first, _)| Hour::start(first)),
            last_hour: ranking.hours.map(|(_, last)| Hour::start(last)),
            movies: ranking.movies,
            observations: ranking.observed,
            lag_seconds: lag.seconds(),
            loaded_at: status.loaded_at,
            last_change: status.changed_at,
            cache,
        }
    }
}

/// Rank movies by what moved in the last hours.
///
/// Movies that a source observed or viewers touched, hour by hour; a viewer's rating counts as one more vote.
#[utoipa::path(
    get, path = "/api/v1/trending/movies", operation_id = "list_trending_now", tag = "trending",
    params(TrendingNowParams),
    responses(
        (status = 200, body = TrendingNowBody),
        (status = 503, description = "The movies are still being read", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn now(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<TrendingNowParams>,
) -> Result<HttpResponse, ApiError> {
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
];

impl Question for TrendingNowParams {
    type Body = TrendingNowBody;
    const FAMILY: CacheFamily = CacheFamily::Trending;

    fn key(&self) -> Result<String, ApiError> {
        question("/trending/movies", self)
    }

    fn live(&self) -> Live {
        Live::AllMovies
    }

    fn cached(&self) -> bool {
        !self.explain
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let genre = self.genre.as_ref().map(|genre| genre.as_str().to_owned());
        let ranked = state.active.rank(self.window.get(), genre, self.limit.get() as usize).await?;
        let (lag, window) = (state.lag.read(), String::from(self.window));
        let provenance = if self.explain {
            let cache = CacheState::of(state, self).await?;
            Some(TrendingNowProvenance::of(window.clone(), &ranked, lag, cache))
        } else {
            None
        };
        let started = Instant::now();
        let places = ranked.ranking.places.iter().cloned();
        let places = (1..).zip(places).map(|(rank, place)| TrendingNowItem::of(rank, place)).collect();
        // It is made of movies, not of hours.
        state.routing.note(Decision::Speed, LayerHours::default(), started);
        Ok(TrendingNowBody {
            trending_movies: places,
            generated_at: Utc::now(),
            window,
            data_source: "speed",
            stale: if state.lag.is_beyond_limit(lag) { vec!["speed"] } else { Vec::new() },
            provenance,
        })
    }

    const IS_LIST: bool = true;

    async fn table(mut self, state: Arc<State>, whole: bool) -> Result<Table, ApiError> {
        if whole {
            self.limit = Limit::WHOLE;
        }
        Table::of("trending-now", COLUMNS, self.read(&state).await?.trending_movies)
    }
}
