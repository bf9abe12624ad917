//! Followed rankings. Each is recomputed at most once a second, regardless of the number of followers, and only after a
//! change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use domain::MovieId;
use domain::hours::Hour;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::{ActiveMovies, Ranked};
use crate::QueryError;

/// Maximum number of followers. Each one is a connection and a list of at most 100 ranks; 1,000 is far below what the
/// server can hold, and leaves room for other requests.
const FOLLOWERS_MAX: usize = 1_000;

/// Maximum number of different followed rankings. Each costs some milliseconds of CPU per second for 50,000 movies.
const RANKINGS_MAX: usize = 40;

/// Length of a followed ranking: the largest `limit` of a request. Shorter rankings are a prefix of it.
const RANKS: usize = 100;

/// Least interval between two computations of a followed ranking.
const RECOMPUTE_INTERVAL: Duration = Duration::from_secs(1);

/// Identifies a followed ranking: window in hours, and the genre in lower case.
type RankingKey = (u32, Option<String>);

/// The followed rankings.
pub struct Watched {
    rankings: Mutex<HashMap<RankingKey, watch::Sender<Arc<Ranked>>>>,
    places: Arc<Semaphore>,
}

/// A follower's subscription to a ranking. Dropping it frees the follower's slot.
pub struct Watching {
    /// Receives the ranking whenever a rank has changed.
    pub rankings: watch::Receiver<Arc<Ranked>>,
    _place: OwnedSemaphorePermit,
}

impl Default for Watched {
    fn default() -> Self {
        Self { rankings: Mutex::default(), places: Arc::new(Semaphore::new(FOLLOWERS_MAX)) }
    }
}

impl Watched {
    /// Follows the ranking of the last `hours` hours. `genre` matches in upper and lower case alike.
    ///
    /// # Errors
    /// [`QueryError::TooManyStreams`], or [`QueryError::NotReady`] while the movies are not loaded.
    pub async fn watch(
        &self,
        movies: &Arc<ActiveMovies>,
        hours: u32,
        genre: Option<&str>,
    ) -> Result<Watching, QueryError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| QueryError::TooManyStreams)?;
        let key = (hours, genre.map(str::to_lowercase));
        let known = self.lock().get(&key).map(watch::Sender::subscribe);
        let rankings = match known {
            Some(rankings) => rankings,
            None => {
                let ranked = movies.rank(hours, key.1.clone(), RANKS).await?;
                let mut rankings = self.lock();
                rankings.retain(|_, sender| sender.receiver_count() > 0);
                if rankings.len() >= RANKINGS_MAX && !rankings.contains_key(&key) {
                    return Err(QueryError::TooManyStreams);
                }
                rankings.entry(key).or_insert_with(|| watch::Sender::new(ranked)).subscribe()
            }
        };
        Ok(Watching { rankings, _place: place })
    }

    /// Recomputes all followed rankings and notifies the followers of those with changed ranks.
    async fn refresh(&self, movies: &Arc<ActiveMovies>) -> Result<(), QueryError> {
        let keys: Vec<RankingKey> = {
            let mut rankings = self.lock();
            rankings.retain(|_, sender| sender.receiver_count() > 0);
            rankings.keys().cloned().collect()
        };
        // Computed one after the other, so that they use at most one core.
        for key in keys {
            let ranked = movies.rank(key.0, key.1.clone(), RANKS).await?;
            if let Some(sender) = self.lock().get(&key) {
                sender.send_if_modified(|before| {
                    let moved = ids(before).ne(ids(&ranked));
                    *before = ranked;
                    moved
                });
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RankingKey, watch::Sender<Arc<Ranked>>>> {
        self.rankings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ids(ranked: &Ranked) -> impl Iterator<Item = MovieId> {
    ranked.ranking.places.iter().map(|place| place.trend.movie_id)
}

/// Keeps the followed rankings current for as long as the process runs.
pub async fn recompute(watched: Arc<Watched>, movies: Arc<ActiveMovies>) {
    let mut tick = tokio::time::interval(RECOMPUTE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        tick.tick().await;
        // A new hour changes every window even if no movie has changed.
        let now = Some((movies.status().version, Hour::of(Utc::now())));
        if std::mem::replace(&mut before, now) == now {
            continue;
        }
        if let Err(error) = watched.refresh(&movies).await {
            tracing::debug!(%error, "cannot compute the followed rankings");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_goes_makes_room() {
        let (watched, movies) = (Watched::default(), ActiveMovies::new());
        movies.changed(true);
        let watch = async |hours| watched.watch(&movies, hours, None).await;
        let mut watching = Vec::new();
        for hours in 1..=RANKINGS_MAX as u32 {
            watching.push(watch(hours).await.unwrap());
        }
        assert!(matches!(watch(48).await, Err(QueryError::TooManyStreams)));
        watching.remove(0);
        watching.push(watch(48).await.unwrap());
        while watching.len() < FOLLOWERS_MAX {
            watching.push(watch(48).await.unwrap());
        }
        assert!(matches!(watch(48).await, Err(QueryError::TooManyStreams)), "one too many of the same");
        watching.pop();
        watch(48).await.unwrap();
    }
}
