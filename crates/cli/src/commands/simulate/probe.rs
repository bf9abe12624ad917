//! Measures how soon an event is visible: posts one, then reads its movie's page, bypassing every cache, until the page
//! counts it.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::MovieId;
use domain::events::{EventType, Fact};
use domain::viewers::ViewerName;
use hdrhistogram::CreationError;
use sources::demo::{Act, Did, Showing};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::report::{Probes, Times};

/// Interval between two probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// Interval of reading the page; a measured time is too long by at most this much.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Time limit of a probe; after that the event counts as missed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Number of movies reserved for probes, one probe at a time each.
const MOVIES: usize = 100;

/// The viewer id of the probes' events.
const VIEWER: u64 = 999_999_999;

/// Returns how many of the catalogue's movies are reserved for probes.
pub(super) fn movies(all: usize) -> Result<usize, String> {
    match MOVIES.min(all / 2) {
        0 => Err(format!("probes need movies that no viewer sees, and the catalogue has {all}; load some more")),
        movies => Ok(movies),
    }
}

/// Probes until `stop` is cancelled. No other client may post events of these movies meanwhile.
pub(super) async fn run(api: Arc<Api>, movies: Vec<Showing>, stop: CancellationToken) -> Result<Probes, CreationError> {
    let mut probes = Probes { times: Times::new()?, seen: 0, missed: 0 };
    let mut free: Vec<MovieId> = movies.into_iter().map(|movie| movie.movie_id).collect();
    let mut under_way = JoinSet::new();
    let mut tick = interval(PROBE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(Ok((movie, time))) = under_way.join_next() => {
                free.insert(0, movie);
                probes.count(time);
            }
            _ = tick.tick() => {
                if let Some(movie) = free.pop() {
                    let api = api.clone();
                    under_way.spawn(async move { (movie, probe(&api, movie).await) });
                }
            }
        }
    }
    while let Some(Ok((_, time))) = under_way.join_next().await {
        probes.count(time);
    }
    Ok(probes)
}

impl Probes {
    fn count(&mut self, time: Option<Duration>) {
        match time {
            Some(time) => {
                self.seen += 1;
                self.times.add(time);
            }
            None => self.missed += 1,
        }
    }
}

/// Returns the time from before the post until the page counts the event; `None` after the time limit or an error.
async fn probe(api: &Api, movie_id: MovieId) -> Option<Duration> {
    let before = api.views(movie_id).await.ok()?;
    let act = Act { user_id: ViewerName::numbered(VIEWER), movie_id, did: Did::Event(EventType::View) };
    let Fact::Event(event) = act.at(Utc::now()) else { return None };
    let posted = Instant::now();
    api.post("/api/v1/events", serde_json::to_vec(&event).ok()?).await.ok()?;
    while posted.elapsed() < PROBE_TIMEOUT {
        if api.views(movie_id).await.ok()? > before {
            return Some(posted.elapsed());
        }
        sleep(POLL_INTERVAL).await;
    }
    None
}
