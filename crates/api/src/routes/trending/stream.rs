//! What trends in the last hours, as it changes.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::page::Limit;
use domain::trending::active::Place;
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::now::{LastHours, TrendingNowItem};
use crate::State;
use crate::active::{Ranked, Watching};
use crate::error::{ApiError, Problem};
use crate::extract::{GenreName, Params};
use crate::routes::tidy;
use crate::sse::{self, Event};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct TrendingStreamParams {
    /// Only movies of this genre, in any case; ranks are among them.
    #[param(value_type = Option<String>, max_length = 60, example = "drama")]
    genre: Option<GenreName>,
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// Hours back.
    #[param(value_type = u8, minimum = 1, maximum = 48, default = 6)]
    window: LastHours,
}

/// Event `ranking`: the whole list, sent first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankingEvent {
    trending_movies: Vec<TrendingNowItem>,
    generated_at: DateTime<Utc>,
    #[schema(example = "6h")]
    window: String,
}

/// Event `change`: what is at another rank than before.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeEvent {
    changes: Vec<RankChange>,
    generated_at: DateTime<Utc>,
}

/// A movie that entered, left or moved.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct RankChange {
    movie_id: i64,
    title: String,
    /// Null: it left.
    rank: Option<usize>,
    /// Null: it entered.
    previous_rank: Option<usize>,
    /// Of a movie that left, as it was when it was last ranked.
    trending_score: f64,
}

/// Follow what trends in the last hours.
///
/// Server-sent events: `ranking` with the whole list, then `change` whenever ranks change, at most once a second, with
/// the movies that entered, left or moved. The `id` counts changes of what is known of movies.
#[utoipa::path(
    get, path = "/api/v1/trending/stream", operation_id = "stream_trending_now", tag = "trending",
    params(TrendingStreamParams),
    responses(
        (status = 200, description = "Events `ranking` (RankingEvent) and `change` (ChangeEvent)",
         body = String, content_type = "text/event-stream"),
        (status = 503, description = "Too many streams are open, or the movies are still being read", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn stream(
    state: Data<State>,
    Params(params): Params<TrendingStreamParams>,
) -> Result<HttpResponse, ApiError> {
    let TrendingStreamParams { genre, limit, window } = params;
    let watching = state.watched.watch(&state.active, window.get(), genre.as_ref().map(GenreName::as_str)).await?;
    let follower = Follower { watching, window, limit: limit.get() as usize, sent: None };
    Ok(sse::answer(follower.events(), state.stopping.clone()))
}

/// One reader, and what it was sent.
struct Follower {
    watching: Watching,
    window: LastHours,
    limit: usize,
    sent: Option<Vec<Place>>,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Event> {
        stream::unfold(self, |mut follower| async move { Some((follower.next().await?, follower)) })
    }

    /// The next event; `None` when nobody computes rankings any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.sent.is_some() {
                self.watching.rankings.changed().await.ok()?;
            }
            let ranked = self.watching.rankings.borrow_and_update().clone();
            match self.event(&ranked) {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "an event could not be written");
                    return None;
                }
            }
        }
    }

    /// What the reader does not know of a ranking yet.
    fn event(&mut self, ranked: &Ranked) -> Result<Option<Event>, ApiError> {
        let places: Vec<Place> = ranked.ranking.places.iter().take(self.limit).cloned().collect();
        let (id, generated_at) = (ranked.status.version, ranked.at);
        let Some(before) = self.sent.replace(places.clone()) else {
            let places = (1..).zip(places).map(|(rank, place)| TrendingNowItem::of(rank, place));
            let window = String::from(self.window);
            let ranking = RankingEvent { trending_movies: places.collect(), generated_at, window };
            return Event::new("ranking", id, &ranking).map(Some);
        };
        let changes = changes(&before, &places);
        if changes.is_empty() {
            return Ok(None);
        }
        Event::new("change", id, &ChangeEvent { changes, generated_at }).map(Some)
    }
}

/// The movies that entered or moved, by rank, then those that left, by their previous one.
fn changes(before: &[Place], now: &[Place]) -> Vec<RankChange> {
    let ranks = |places: &[Place]| -> HashMap<MovieId, usize> {
        (1..).zip(places).map(|(rank, place)| (place.trend.movie_id, rank)).collect()
    };
    let (old, new) = (ranks(before), ranks(now));
    let change = |place: &Place| {
        let id = place.trend.movie_id;
        RankChange {
            movie_id: id.get(),
            title: place.title.clone(),
            rank: new.get(&id).copied(),
            previous_rank: old.get(&id).copied(),
            trending_score: tidy(place.trend.score),
        }
    };
    let moved = now.iter().map(change).filter(|change| change.rank != change.previous_rank);
    let left = before.iter().map(change).filter(|change| change.rank.is_none());
    moved.chain(left).collect()
}

#[cfg(test)]
mod tests {
    use domain::trending::Trend;

    use super::*;

    fn place(id: i64, score: f64) -> Place {
        let trend = Trend {
            movie_id: MovieId::new(id).unwrap(),
            score,
            popularity_velocity: 0.0,
            rating_velocity: 0.0,
            vote_velocity: 0.0,
            popularity: 0.0,
            vote_average: 0.0,
            vote_count: 0,
        };
        Place { trend, title: format!("Movie {id}"), genres: Vec::new() }
    }

    #[test]
    fn a_change_names_who_entered_moved_and_left_and_nobody_else() {
        let before = [place(1, 9.0), place(2, 8.0), place(3, 7.0), place(4, 6.0)];
        let now = [place(1, 9.5), place(5, 8.5), place(2, 8.0), place(4, 6.0)];
        let ranks: Vec<_> = changes(&before, &now).iter().map(|c| (c.movie_id, c.rank, c.previous_rank)).collect();
        assert_eq!(ranks, [(5, Some(2), None), (2, Some(3), Some(2)), (3, None, Some(3))]);
        assert!(changes(&before, &before).is_empty());
    }
}
