//! Lists for viewers: the batch layer's nightly list and the real-time layer's candidates, blended, filtered and
//! explained ([`domain::recommendations`] has the rules).

mod because;
mod explain;
mod group;
mod list;
mod popular;
mod session;

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use domain::artifacts::CacheFamily;
use domain::experiments::VariantSettings;
use domain::page::Limit;
use domain::preferences::PreferenceWeights;
use domain::recommendations::{BATCH_SHARE_DEFAULT, EXPLORATION_SHARE_DEFAULT};
use domain::viewers::ViewerName;
use serde::{Serialize, Serializer};
use storage::postgres::recommendations::candidates::{Filter, MovieRow};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::experiment::Assignment;
use crate::{QueryError, Question, Reader};

pub use because::{Because, BecauseRow, BecauseView};
pub use explain::{Explanation, Reason};
pub use group::{Group, GroupView};
pub use session::{Session, SessionView};

/// How the layers of a list are mixed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// What facts weigh, as in training.
    pub weights: PreferenceWeights,
    /// Share of the batch layer in the blend, 0 to 1.
    pub batch_share: f32,
    /// Share of places of a new viewer's list that show less known movies, 0 to 1.
    pub exploration_share: f32,
}

impl Rules {
    /// The rules of a variant.
    fn of(&self, assignment: Option<&Assignment>) -> Cow<'_, Self> {
        let Some(VariantSettings { batch_share, exploration, .. }) = assignment.map(|a| a.variant.settings) else {
            return Cow::Borrowed(self);
        };
        let mut rules = self.clone();
        rules.batch_share = batch_share.map_or(rules.batch_share, |share| share as f32);
        rules.exploration_share = exploration.map_or(rules.exploration_share, |share| share as f32);
        Cow::Owned(rules)
    }
}

impl Default for Rules {
    fn default() -> Self {
        let weights = PreferenceWeights::default();
        Self { weights, batch_share: BATCH_SHARE_DEFAULT, exploration_share: EXPLORATION_SHARE_DEFAULT }
    }
}

/// What every kind of list can be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Wishes {
    pub limit: Limit,
    /// Movies that must not be in the list.
    #[serde(serialize_with = "joined")]
    pub exclude: Vec<i64>,
    /// Name of a genre; upper and lower case are equal.
    pub genre: Option<String>,
    pub year_from: Option<i32>,
    pub year_to: Option<i32>,
    pub min_rating: Option<f64>,
    pub max_runtime: Option<i32>,
    pub language: Option<String>,
    /// 0 to 1: how much unlike each other the movies are.
    pub diversity: f32,
    /// 0 to 1: how much little known movies are preferred.
    pub novelty: f32,
}

/// As one text: a query string has no lists.
fn joined<S: Serializer>(ids: &[i64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&ids.iter().map(i64::to_string).collect::<Vec<_>>().join(","))
}

impl Wishes {
    /// The filter, with these movies left out beside the excluded ones.
    async fn filter(&self, reader: &Reader, left_out: impl IntoIterator<Item = i64>) -> Result<Filter, QueryError> {
        let mut excluded = self.exclude.clone();
        excluded.extend(left_out);
        excluded.sort_unstable();
        excluded.dedup();
        Ok(Filter {
            genre: reader.genre(self.genre.as_deref()).await?,
            year_from: self.year_from,
            year_to: self.year_to,
            min_rating: self.min_rating,
            max_runtime: self.max_runtime,
            language: self.language.clone(),
            excluded,
        })
    }

    fn count(&self) -> usize {
        self.limit.get() as usize
    }
}

/// What a list was computed from. The names are those of seed 5 where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListSource {
    /// Both layers.
    Hybrid,
    /// The real-time layer alone.
    Realtime,
    /// The batch layer alone.
    Batch,
    /// Nothing is known of the viewer: the most popular movies.
    Popular,
}

impl ListSource {
    /// The name in bodies and in the log of served lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Realtime => "realtime",
            Self::Batch => "batch",
            Self::Popular => "popular",
        }
    }
}

/// A recommended movie.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecommendedMovie {
    pub movie_id: i64,
    pub title: String,
    /// 0 to 1, comparable within this list only.
    #[schema(example = 0.94)]
    pub score: f32,
    pub release_date: Option<NaiveDate>,
    pub genres: Vec<String>,
    pub vote_average: f64,
    pub vote_count: i64,
    pub popularity: f64,
    pub poster_path: Option<String>,
    /// Whether exploration filled this place: a less known movie that gets a first reaction.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub explored: bool,
    /// With `explain=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

impl RecommendedMovie {
    fn new(row: MovieRow, score: f32) -> Self {
        Self {
            movie_id: row.movie_id,
            title: row.title,
            score,
            release_date: row.release_date,
            genres: row.genres,
            vote_average: row.vote_average,
            vote_count: row.vote_count,
            popularity: row.popularity,
            poster_path: row.poster_path,
            explored: false,
            explanation: None,
        }
    }
}

/// Asks for a viewer's list, best first.
#[derive(Debug, Clone, Serialize)]
pub struct Recommendations {
    pub user_id: ViewerName,
    #[serde(flatten)]
    pub wishes: Wishes,
    /// The viewer's variant of the running experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Assignment>,
    /// Add to each movie why it is in the list.
    #[serde(skip)]
    pub explain: bool,
}

/// A viewer's list (seed 5).
#[derive(Debug, Serialize, ToSchema)]
pub struct RecommendationsView {
    /// `redis_cache` if the answer comes from the cache, else as `computed_from`.
    // First in the body: `from_cache` replaces its first occurrence, and a viewer's name is text of others.
    #[schema(value_type = String, example = "hybrid")]
    pub source: ListSource,
    /// The layers that the list was computed from: hybrid, realtime, batch or popular.
    pub computed_from: ListSource,
    #[schema(value_type = String, example = "user_123")]
    pub user_id: ViewerName,
    pub recommendations: Vec<RecommendedMovie>,
    pub generated_at: DateTime<Utc>,
    /// Version of the active model; null before the first one.
    #[schema(example = "als_20260310_0500")]
    pub model_version: Option<String>,
    /// Send it as `list_id` of events that follow from this list.
    pub list_id: Uuid,
}

impl Question for Recommendations {
    type View = RecommendationsView;
    const NAME: &'static str = "recommendations";
    const FAMILY: CacheFamily = CacheFamily::Recommendations;

    fn viewer(&self) -> Option<&ViewerName> {
        Some(&self.user_id)
    }

    fn explain(&self) -> bool {
        self.explain
    }

    fn from_cache(body: &[u8]) -> Option<Vec<u8>> {
        const KEY: &[u8] = b"\"source\":\"";
        let start = body.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
        let end = start + body[start..].iter().position(|byte| *byte == b'"')?;
        Some([&body[..start], b"redis_cache", &body[end..]].concat())
    }

    async fn read(&self, reader: &Reader) -> Result<RecommendationsView, QueryError> {
        self.read_with(reader, reader.model.current()).await
    }
}
