//! Movies by the names that callers have for them: IMDb ids and aliases. Answers are remembered for a few seconds; what
//! is not, one statement a request looks up.

use std::time::Duration;

use domain::MovieId;
use domain::events::MovieNames;
use moka::sync::Cache;
use sqlx::PgPool;
use storage::postgres::catalogue::aliases;
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// Remembered names; 50,000 of common length are about 10 MB, the longest ones 30 MB.
const REMEMBERED_MAX: u64 = 50_000;

/// Time for which a movie is remembered: a changed alias counts everywhere this long after the change at the latest.
const KNOWN_TTL: Duration = Duration::from_secs(5);

/// Time for which a name is remembered as unknown: a new alias counts this long after its definition at the latest.
const UNKNOWN_TTL: Duration = Duration::from_secs(1);

/// Time limit of a look-up, including the wait for a place and for a connection.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Concurrent look-ups: requests with made-up names must not take the connections of all others.
const ASKING_MAX: usize = 2;

/// Looks movies up by name.
pub struct Names {
    pool: PgPool,
    known: Cache<Box<str>, MovieId>,
    unknown: Cache<Box<str>, ()>,
    asking: Semaphore,
}

impl Names {
    /// Creates a resolver that remembers nothing yet.
    pub fn new(pool: PgPool) -> Self {
        let cache = Cache::builder().max_capacity(REMEMBERED_MAX);
        Self {
            pool,
            known: cache.time_to_live(KNOWN_TTL).build(),
            unknown: Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(UNKNOWN_TTL).build(),
            asking: Semaphore::new(ASKING_MAX),
        }
    }

    /// The movies of these names; unknown names are left out. No names, no look-up.
    ///
    /// # Errors
    /// 503 if a name must be looked up while the database does not answer: without it the API cannot tell which movie
    /// is meant.
    pub async fn resolve(&self, names: Vec<Box<str>>) -> Result<MovieNames, ApiError> {
        let mut found = MovieNames::new();
        let mut asked = Vec::new();
        for name in names {
            match self.known.get(&name) {
                Some(movie) => drop(found.insert(name, movie)),
                None if self.unknown.contains_key(&name) => {}
                None => asked.push(name),
            }
        }
        if asked.is_empty() {
            return Ok(found);
        }
        let query = async {
            let _place = self.asking.acquire().await;
            aliases::resolve(&self.pool, &asked).await
        };
        let answer = tokio::time::timeout(ASK_TIMEOUT, query).await.map_err(|_elapsed| {
            ApiError::NotReady("movies cannot be looked up by name right now; send this again later".to_owned())
        })??;
        for name in asked {
            match answer.get(&name) {
                Some(movie) => {
                    self.known.insert(name.clone(), *movie);
                    found.insert(name, *movie);
                }
                None => self.unknown.insert(name, ()),
            }
        }
        Ok(found)
    }

    /// Forgets the answers for these names, so that this process knows a change at once.
    pub fn changed<'a>(&self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            self.known.invalidate(name);
            self.unknown.invalidate(name);
        }
    }
}
