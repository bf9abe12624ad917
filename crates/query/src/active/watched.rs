//! Rankings that somebody follows: each is computed once a second at most, however many follow it, and only after a change.

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

/// Followers at a time; each is a connection and a list of at most a hundred ranks. A thousand dashboards are far below
/// what the server takes, and leave room for requests.
const FOLLOWERS_MAX: usize = 1_000;

/// Different rankings followed at a time: each costs some milliseconds a second for fifty thousand movies.
const RANKINGS_MAX: usize = 40;

/// Length of a followed ranking: the longest that anybody may ask for. Shorter ones are its beginning.
const RANKS: usize = 100;

/// How often followed rankings are computed anew, if anything changed.
const RECOMPUTE_INTERVAL: Duration = Duration::from_secs(1);

/// Key of a ranking: hours back, and the genre in lower case.
type RankingKey = (u32, Option<String>);

/// The rankings that somebody follows.
pub struct Watched {
    rankings: Mutex<HashMap<RankingKey, watch::Sender<Arc<Ranked>>>>,
    places: Arc<Semaphore>,
}

/// A followed ranking. Dropping it gives the follower's place back.
pub struct Watching {
    /// Changes when a rank does.
    pub rankings: watch::Receiver<Arc<Ranked>>,
    _place: OwnedSemaphorePermit,
}

impl Default for Watched {
    fn default() -> Self {
        Self { rankings: Mutex::default(), places: Arc::new(Semaphore::new(FOLLOWERS_MAX)) }
    }
}

impl Watched {
    /// Follows a ranking of the last `hours` hours; `genre` in any case.
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

    /// Computes the followed rankings anew, and tells the followers of those whose ranks have changed.
    async fn refresh(&self, movies: &Arc<ActiveMovies>) -> Result<(), QueryError> {
        let keys: Vec<RankingKey> = {
            let mut rankings = self.lock();
            rankings.retain(|_, sender| sender.receiver_count() > 0);
            rankings.keys().cloned().collect()
        };
        // One after the other: together they keep one core busy at most.
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

/// Keeps followed rankings current for as long as the process runs.
pub async fn recompute(watched: Arc<Watched>, movies: Arc<ActiveMovies>) {
    let mut tick = tokio::time::interval(RECOMPUTE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        tick.tick().await;
        // When the hour strikes, hours leave each window though no movie has changed.
        let now = Some((movies.status().version, Hour::of(Utc::now())));
        if std::mem::replace(&mut before, now) == now {
            continue;
        }
        if let Err(error) = watched.refresh(&movies).await {
            tracing::debug!(%error, "followed rankings could not be computed");
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
