//! The ranking of the last hours.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use domain::artifacts::CacheFamily;
use domain::hours::Hour;
use domain::merge::Decision;
use domain::page::Limit;
use domain::rounding::nine_decimals;
use domain::trending::LastHours;
use domain::trending::active::Place;
use serde::Serialize;
use utoipa::ToSchema;

use crate::active::Ranked;
use crate::lag::Reading;
use crate::list::RowOf;
use crate::{CacheState, IntoRows, LayerHours, Listing, LiveFacts, QueryError, Question, Reader, Rows};

/// Asks for the movies that moved in the last hours, ranked from the speed layer: movies that a source observed or
/// viewers' events touched.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TrendingNow {
    /// Name of a genre; upper and lower case are equal. Its movies are ranked among themselves.
    pub genre: Option<String>,
    pub limit: Limit,
    pub window: LastHours,
    /// Adds the provenance to the view.
    #[serde(skip_serializing)]
    pub explain: bool,
}

/// A movie ranked by the last hours.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendingNowItem {
    #[schema(example = 1)]
    pub rank: usize,
    pub movie_id: i64,
    pub title: String,
    pub genres: Vec<String>,
    #[schema(example = 95.5)]
    pub trending_score: f64,
    /// Change of popularity per hour.
    pub velocity: f64,
    /// Change of the vote average per hour.
    pub acceleration: f64,
    pub popularity: f64,
    /// Includes viewers' ratings of these hours, as does `vote_count`.
    pub vote_average: f64,
    pub vote_count: i64,
}

impl TrendingNowItem {
    /// Converts ranked places into items; ranks count from 1.
    pub(super) fn list<'a>(places: impl IntoIterator<Item = &'a Place>) -> Vec<Self> {
        (1..).zip(places).map(|(rank, place)| Self::new(rank, place.clone())).collect()
    }

    fn new(rank: usize, place: Place) -> Self {
        let Place { trend, title, genres } = place;
        Self {
            rank,
            movie_id: trend.movie_id.get(),
            title,
            genres,
            trending_score: nine_decimals(trend.score),
            velocity: nine_decimals(trend.popularity_velocity),
            acceleration: nine_decimals(trend.rating_velocity),
            popularity: trend.popularity,
            vote_average: nine_decimals(trend.vote_average),
            vote_count: trend.vote_count,
        }
    }
}

/// The ranking of the last hours (seed 1, section 3.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendingNowView {
    pub trending_movies: Vec<TrendingNowItem>,
    pub generated_at: DateTime<Utc>,
    #[schema(example = "6h")]
    pub window: String,
    #[schema(example = "speed")]
    pub data_source: &'static str,
    /// `speed` if the speed layer lags, so that the last minutes are missing.
    pub stale: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<TrendingNowProvenance>,
}

/// What a ranking was computed from.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendingNowProvenance {
    #[schema(example = "6h")]
    pub window: String,
    /// The window's first hour; the current hour is its last.
    pub since: DateTime<Utc>,
    /// The oldest and the newest hour with data; null if no movie was ranked.
    pub first_hour: Option<DateTime<Utc>>,
    pub last_hour: Option<DateTime<Utc>>,
    /// Number of movies that were ranked.
    #[serde(rename = "films")]
    pub movies: usize,
    /// Number of hours in which a source observed one of them.
    pub observations: usize,
    /// Age of the oldest event that is not counted yet, in seconds; zero if all are counted, null if the event log is
    /// unreachable.
    pub lag_seconds: Option<f64>,
    /// When this process last read all movies, and when any of them last changed.
    pub loaded_at: Option<DateTime<Utc>>,
    pub last_change: Option<DateTime<Utc>>,
    /// Filled in by callers that have a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheState>,
}

impl TrendingNowProvenance {
    fn new(window: String, ranked: &Ranked, lag: Reading) -> Self {
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
            cache: None,
        }
    }
}

impl IntoRows for TrendingNowView {
    type Row = TrendingNowItem;

    fn into_rows(self) -> Vec<TrendingNowItem> {
        self.trending_movies
    }
}

impl Question for TrendingNow {
    type View = TrendingNowView;
    const NAME: &'static str = "trending-now";
    const FAMILY: CacheFamily = CacheFamily::Trending;

    fn live(&self) -> LiveFacts {
        LiveFacts::AllMovies
    }

    fn explain(&self) -> bool {
        self.explain
    }

    fn note_cache(view: &mut TrendingNowView, cache: CacheState) {
        if let Some(provenance) = &mut view.provenance {
            provenance.cache = Some(cache);
        }
    }

    fn is_ready(&self, reader: &Reader) -> bool {
        reader.active.covers(self.window.get())
    }

    async fn read(&self, reader: &Reader) -> Result<TrendingNowView, QueryError> {
        let genre = reader.known_genre(self.genre.as_deref()).await?;
        let started = Instant::now();
        let ranked = reader.active.rank(self.window.get(), genre, self.limit.get() as usize).await?;
        let trending_movies = TrendingNowItem::list(&ranked.ranking.places);
        // A ranking consists of movies, not of hours.
        reader.layers.note(Decision::Speed, LayerHours::default(), started.elapsed());
        let (lag, window) = (reader.lag.read(), String::from(self.window));
        Ok(TrendingNowView {
            trending_movies,
            generated_at: Utc::now(),
            provenance: self.explain.then(|| TrendingNowProvenance::new(window.clone(), &ranked, lag)),
            window,
            data_source: "speed",
            stale: if reader.lag.is_beyond_limit(lag) { vec!["speed"] } else { Vec::new() },
        })
    }
}

impl Listing for TrendingNow {
    const TABLE: &'static str = "trending-now";
    const COLUMNS: &'static [&'static str] = &[
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

    async fn export(mut self, reader: Arc<Reader>, whole: bool) -> Result<Rows<RowOf<Self>>, QueryError> {
        if whole {
            self.limit = Limit::WHOLE;
        }
        Ok(Rows::at_once(self.read(&reader).await?.into_rows()))
    }
}
