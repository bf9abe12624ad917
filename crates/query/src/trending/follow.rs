//! What trends in the last hours, as it changes.

use chrono::{DateTime, Utc};
use domain::rounding::nine_decimals;
use domain::trending::active::Place;
use domain::trending::{LastHours, RankChange, rank_changes};
use serde::Serialize;
use utoipa::ToSchema;

use super::{TrendingNow, TrendingNowItem};
use crate::active::{Ranked, Watching};
use crate::{QueryError, Reader};

/// Event `ranking`: the whole list, sent first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RankingEvent)]
pub struct RankingView {
    pub trending_movies: Vec<TrendingNowItem>,
    pub generated_at: DateTime<Utc>,
    #[schema(example = "6h")]
    pub window: String,
}

/// Event `change`: what is at another rank than before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChangeEvent)]
pub struct ChangeView {
    pub changes: Vec<RankChangeView>,
    pub generated_at: DateTime<Utc>,
}

/// A movie that entered, left or moved.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = RankChange)]
pub struct RankChangeView {
    pub movie_id: i64,
    pub title: String,
    /// Null: it left.
    pub rank: Option<usize>,
    /// Null: it entered.
    pub previous_rank: Option<usize>,
    /// The score at the new rank; of a movie that left, its last one.
    pub trending_score: f64,
}

impl From<RankChange> for RankChangeView {
    fn from(change: RankChange) -> Self {
        Self {
            movie_id: change.movie_id.get(),
            title: change.title,
            rank: change.rank,
            previous_rank: change.previous_rank,
            trending_score: nine_decimals(change.score),
        }
    }
}

/// News for a follower. `version` counts changes of what is known of movies.
#[derive(Debug)]
pub enum Update {
    /// The whole ranking.
    Ranking { version: u64, view: RankingView },
    /// The changes since the last update.
    Change { version: u64, view: ChangeView },
}

/// Somebody who follows a ranking, and what they were told.
pub struct Follower {
    watching: Watching,
    window: LastHours,
    limit: usize,
    told: Option<Vec<Place>>,
}

impl Follower {
    /// Follows the ranking that the question asks for.
    ///
    /// # Errors
    /// [`QueryError::TooManyStreams`], [`QueryError::NotReady`].
    pub async fn new(reader: &Reader, question: &TrendingNow) -> Result<Self, QueryError> {
        let (genre, window) = (question.genre.as_deref(), question.window);
        let watching = reader.watched.watch(&reader.active, window.get(), genre).await?;
        Ok(Self { watching, window, limit: question.limit.get() as usize, told: None })
    }

    /// Waits for the next update: the whole ranking at first, then its changes, at most one a second. `None` once rankings
    /// are computed no more.
    pub async fn next(&mut self) -> Option<Update> {
        loop {
            if self.told.is_some() {
                self.watching.rankings.changed().await.ok()?;
            }
            let ranked = self.watching.rankings.borrow_and_update().clone();
            if let Some(update) = self.update(&ranked) {
                return Some(update);
            }
        }
    }

    /// The difference between a ranking and what was told; `None` where no rank has changed.
    fn update(&mut self, ranked: &Ranked) -> Option<Update> {
        let places: Vec<Place> = ranked.ranking.places.iter().take(self.limit).cloned().collect();
        let (version, generated_at) = (ranked.status.version, ranked.at);
        let Some(before) = self.told.replace(places.clone()) else {
            let trending_movies = TrendingNowItem::list(&places);
            let view = RankingView { trending_movies, generated_at, window: String::from(self.window) };
            return Some(Update::Ranking { version, view });
        };
        let changes: Vec<_> = rank_changes(&before, &places).into_iter().map(RankChangeView::from).collect();
        (!changes.is_empty()).then_some(Update::Change { version, view: ChangeView { changes, generated_at } })
    }
}
