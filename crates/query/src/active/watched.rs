//! Followed rankings. Each is recomputed at most once a second, regardless of the number of followers, and only after a
//! change. A ranking that nobody follows any more is dropped.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use domain::MovieId;
use domain::trending::active::Span;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::{ActiveMovies, Ranked};
use crate::QueryError;

/// Maximum number of followers. Each one is a connection and a list of at most 100 ranks; 1,000 is far below what the
/// server can hold, and leaves room for other requests.
const FOLLOWERS_MAX: usize = 1_000;

/// Maximum number of rankings computed per [`RECOMPUTE_INTERVAL`]: each costs some milliseconds of CPU for 50,000
/// movies. Where more are followed (there are 48 windows of each of some twenty genres), they take turns, so that nobody
/// is refused because of what others follow.
const RECOMPUTED_MAX: usize = 40;

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
    clients: Arc<Clients>,
}

/// Number of followers of each client.
struct Clients {
    followers: Mutex<HashMap<IpAddr, usize>>,
    /// Places of one client, out of [`FOLLOWERS_MAX`].
    limit: usize,
}

/// A client's place, which dropping frees.
struct ClientPlace {
    clients: Arc<Clients>,
    client: IpAddr,
}

/// A follower's subscription to a ranking. Dropping it frees the follower's places.
pub struct Watching {
    /// Receives the ranking whenever a rank has changed.
    pub rankings: watch::Receiver<Arc<Ranked>>,
    _place: OwnedSemaphorePermit,
    _of_client: ClientPlace,
}

impl Clients {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, client: IpAddr) -> Result<ClientPlace, QueryError> {
        let mut followers = self.lock();
        let taken = followers.entry(client).or_default();
        if *taken >= self.limit {
            return Err(QueryError::TooManyStreamsOfClient { limit: self.limit });
        }
        *taken += 1;
        Ok(ClientPlace { clients: self.clone(), client })
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut followers = self.clients.lock();
        if let Some(taken) = followers.get_mut(&self.client) {
            *taken -= 1;
            if *taken == 0 {
                followers.remove(&self.client);
            }
        }
    }
}

impl Watched {
    /// Creates an empty set, in which each client has at most `per_client` followers.
    pub fn new(per_client: usize) -> Self {
        let clients = Arc::new(Clients { followers: Mutex::default(), limit: per_client });
        Self { rankings: Mutex::default(), places: Arc::new(Semaphore::new(FOLLOWERS_MAX)), clients }
    }

    /// Follows the ranking of the last `hours` hours for a client. `genre` is one that the movies have, in lower case.
    ///
    /// # Errors
    /// [`QueryError::TooManyStreamsOfClient`], [`QueryError::TooManyStreams`], or [`QueryError::NotReady`] while the
    /// movies are not loaded.
    pub async fn watch(
        &self,
        movies: &Arc<ActiveMovies>,
        hours: u32,
        genre: Option<String>,
        client: IpAddr,
    ) -> Result<Watching, QueryError> {
        let of_client = self.clients.enter(client)?;
        let place = self.places.clone().try_acquire_owned().map_err(|_| QueryError::TooManyStreams)?;
        let key = (hours, genre);
        let known = self.lock().get(&key).map(watch::Sender::subscribe);
        let rankings = match known {
            Some(rankings) => rankings,
            None => {
                let ranked = movies.rank(hours, key.1.clone(), RANKS).await?;
                self.lock().entry(key).or_insert_with(|| watch::Sender::new(ranked)).subscribe()
            }
        };
        Ok(Watching { rankings, _place: place, _of_client: of_client })
    }

    /// Recomputes the followed rankings that have changed, those first that were computed longest ago, and notifies the
    /// followers of those with changed ranks.
    async fn refresh(&self, movies: &Arc<ActiveMovies>) -> Result<(), QueryError> {
        // Computed one after the other, so that they use at most one core.
        for key in self.outdated(movies) {
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

    /// The rankings to be recomputed now, at most [`RECOMPUTED_MAX`]. A new hour changes every window, even if no movie
    /// has changed.
    fn outdated(&self, movies: &ActiveMovies) -> Vec<RankingKey> {
        let (version, now) = (movies.status().version, Utc::now());
        let mut rankings = self.lock();
        rankings.retain(|_, sender| sender.receiver_count() > 0);
        let mut outdated: Vec<_> = rankings
            .iter()
            .map(|(key, sender)| (sender.borrow().at, key, sender))
            .filter(|(_, key, sender)| {
                let ranked = sender.borrow();
                ranked.status.version != version || ranked.span != Span::last(key.0, now)
            })
            .map(|(at, key, _)| (at, key.clone()))
            .collect();
        outdated.sort_unstable();
        outdated.into_iter().take(RECOMPUTED_MAX).map(|(_, key)| key).collect()
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
    loop {
        tick.tick().await;
        if let Err(error) = watched.refresh(&movies).await {
            tracing::debug!(%error, "cannot compute the followed rankings");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_CLIENT: usize = 20;

    fn client(number: u8) -> IpAddr {
        [127, 0, 0, number].into()
    }

    fn loaded() -> Arc<ActiveMovies> {
        let movies = ActiveMovies::new();
        movies.replace(domain::trending::active::Active::default(), Span::last(48, Utc::now()).since, None);
        movies
    }

    #[tokio::test]
    async fn a_client_has_places_of_its_own_and_who_goes_makes_room() {
        let (watched, movies) = (Watched::new(PER_CLIENT), loaded());
        let watch = async |hours, of| watched.watch(&movies, hours, None, client(of)).await;
        let mut watching = Vec::new();
        for hours in 1..=PER_CLIENT as u32 {
            watching.push(watch(hours, 1).await.unwrap());
        }
        assert!(matches!(watch(48, 1).await, Err(QueryError::TooManyStreamsOfClient { limit: PER_CLIENT })));
        // However many rankings some follow, others follow theirs.
        for of in 2..=50 {
            for hours in 1..=PER_CLIENT as u32 {
                watching.push(watch((hours + u32::from(of)) % 48 + 1, of).await.unwrap());
            }
        }
        assert_eq!(watching.len(), FOLLOWERS_MAX);
        assert!(matches!(watch(48, 51).await, Err(QueryError::TooManyStreams)));
        watching.remove(0);
        watching.push(watch(48, 1).await.unwrap());
        watching.clear();
        assert!(watched.clients.lock().is_empty());
        watched.refresh(&movies).await.unwrap();
        assert!(watched.lock().is_empty(), "rankings without followers are dropped");
    }

    #[tokio::test]
    async fn more_rankings_than_fit_into_one_interval_take_turns() {
        let (watched, movies) = (Watched::new(FOLLOWERS_MAX), loaded());
        let mut watching = Vec::new();
        for hours in 1..=48 {
            watching.push(watched.watch(&movies, hours, None, client(1)).await.unwrap());
        }
        movies.changed(|_| {});
        let first = watched.outdated(&movies);
        assert_eq!(first.len(), RECOMPUTED_MAX);
        watched.refresh(&movies).await.unwrap();
        let second = watched.outdated(&movies);
        assert_eq!(second.len(), 48 - RECOMPUTED_MAX);
        assert!(second.iter().all(|key| !first.contains(key)));
        watched.refresh(&movies).await.unwrap();
        assert!(watched.outdated(&movies).is_empty());
    }
}
