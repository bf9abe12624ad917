//! The ranking of the last hours, and the stream of its changes.

use std::net::IpAddr;

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

/// Event `change`: the movies whose rank has changed.
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
    /// Null if the movie left.
    pub rank: Option<usize>,
    /// Null if the movie entered.
    pub previous_rank: Option<usize>,
    /// The score at the new rank; for a movie that left, its last score.
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

/// An update for a follower. `version` counts changes of the active movies.
#[derive(Debug)]
pub enum Update {
    /// The whole ranking.
    Ranking { version: u64, view: RankingView },
    /// The changes since the last update.
    Change { version: u64, view: ChangeView },
}

/// A follower of a ranking, and the ranks that it has received.
pub struct Follower {
    watching: Watching,
    window: LastHours,
    limit: usize,
    told: Option<Vec<Place>>,
}

impl Follower {
    /// Follows the ranking that the question asks for. `client` is the address that the places are counted by.
    ///
    /// # Errors
    /// [`QueryError::NotFound`] for an unknown genre, [`QueryError::TooManyStreamsOfClient`] and
    /// [`QueryError::TooManyStreams`] if a limit of followers is reached, [`QueryError::NotReady`] before the first load.
    pub async fn new(reader: &Reader, question: &TrendingNow, client: IpAddr) -> Result<Self, QueryError> {
        let window = question.window;
        let genre = reader.known_genre(question.genre.as_deref()).await?;
        let watching = reader.watched.watch(&reader.active, window.get(), genre, client).await?;
        Ok(Self { watching, window, limit: question.limit.get() as usize, told: None })
    }

    /// Waits for the next update: first the whole ranking, then its changes, at most one per second. `None` when
    /// rankings are no longer computed.
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

    /// Returns the difference from the ranks sent before; `None` if no rank has changed.
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
