//! Rankings that streams watch: each is computed once a second, however many watch it, and only if something changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use domain::MovieId;
use domain::hours::Hour;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::{ActiveMovies, Ranked};
use crate::State;
use crate::error::ApiError;

/// Streams open at a time; each is a connection and a list of at most a hundred ranks. A thousand dashboards are far
/// below what the server takes, and leave room for requests.
const STREAMS_MAX: usize = 1_000;

/// Different rankings watched at a time: each costs some milliseconds a second for fifty thousand movies.
const RANKINGS_MAX: usize = 40;

/// The longest ranking that anybody may ask for; shorter ones are its beginning.
const DEPTH: usize = 100;

/// How often rankings are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// Which ranking: hours, and genre in lower case.
type Which = (u32, Option<String>);

/// The rankings that somebody watches.
pub struct Watched {
    rankings: Mutex<HashMap<Which, watch::Sender<Arc<Ranked>>>>,
    streams: Arc<Semaphore>,
}

/// A ranking as it changes, for as long as it is held.
pub struct Watching {
    pub rankings: watch::Receiver<Arc<Ranked>>,
    _permit: OwnedSemaphorePermit,
}

impl Default for Watched {
    fn default() -> Self {
        Self { rankings: Mutex::default(), streams: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }
}

impl Watched {
    /// Watches a ranking.
    ///
    /// # Errors
    /// Too many are watched, or the movies are not loaded.
    pub async fn watch(
        &self,
        active: &Arc<ActiveMovies>,
        hours: u32,
        genre: Option<&str>,
    ) -> Result<Watching, ApiError> {
        let permit = self.streams.clone().try_acquire_owned().map_err(|_| ApiError::TooManyStreams)?;
        let which = (hours, genre.map(str::to_lowercase));
        let watching = |sender: &watch::Sender<_>| sender.subscribe();
        let known = self.lock().get(&which).map(watching);
        let rankings = match known {
            Some(rankings) => rankings,
            None => {
                let ranked = active.rank(hours, which.1.clone(), DEPTH).await?;
                let mut rankings = self.lock();
                rankings.retain(|_, sender| sender.receiver_count() > 0);
                if rankings.len() >= RANKINGS_MAX && !rankings.contains_key(&which) {
                    return Err(ApiError::TooManyStreams);
                }
                watching(rankings.entry(which).or_insert_with(|| watch::Sender::new(ranked)))
            }
        };
        Ok(Watching { rankings, _permit: permit })
    }

    /// Computes what is watched anew, and tells those who watch where ranks have changed.
    async fn look(&self, active: &Arc<ActiveMovies>) -> Result<(), ApiError> {
        let which: Vec<Which> = {
            let mut rankings = self.lock();
            rankings.retain(|_, sender| sender.receiver_count() > 0);
            rankings.keys().cloned().collect()
        };
        // One after the other: together they keep one core busy at most.
        for which in which {
            let ranked = active.rank(which.0, which.1.clone(), DEPTH).await?;
            if let Some(sender) = self.lock().get(&which) {
                sender.send_if_modified(|before| {
                    let moved = movies(before).ne(movies(&ranked));
                    *before = ranked;
                    moved
                });
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Which, watch::Sender<Arc<Ranked>>>> {
        self.rankings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn movies(ranked: &Ranked) -> impl Iterator<Item = MovieId> {
    ranked.ranking.places.iter().map(|place| place.trend.movie_id)
}

/// Keeps watched rankings current for as long as the process runs.
pub async fn watch(state: Arc<State>) {
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        tick.tick().await;
        // With the hour, others leave each window though no movie has changed.
        let now = Some((state.active.status().version, Hour::of(Utc::now())));
        if std::mem::replace(&mut before, now) == now {
            continue;
        }
        if let Err(error) = state.watched.look(&state.active).await {
            tracing::debug!(%error, "watched rankings could not be computed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_goes_makes_room() {
        let (watched, active) = (Watched::default(), ActiveMovies::new());
        active.changed(true);
        let watch = async |hours| watched.watch(&active, hours, None).await;
        let mut watching = Vec::new();
        for hours in 1..=RANKINGS_MAX as u32 {
            watching.push(watch(hours).await.unwrap());
        }
        assert!(matches!(watch(48).await, Err(ApiError::TooManyStreams)));
        watching.remove(0);
        watching.push(watch(48).await.unwrap());
        while watching.len() < STREAMS_MAX {
            watching.push(watch(48).await.unwrap());
        }
        assert!(matches!(watch(48).await, Err(ApiError::TooManyStreams)), "one too many of the same");
        watching.pop();
        watch(48).await.unwrap();
    }
}
