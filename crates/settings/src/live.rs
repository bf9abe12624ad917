//! The settings of live events: event log and speed layer. README.md has the same table.

use std::time::Duration;

use secrecy::SecretString;

use crate::RedisSettings;
use crate::env::{Env, SettingsError};

/// The event log. API and worker must use the same values.
#[derive(Debug, Clone)]
pub struct EventLogSettings {
    /// `EVENT_LOG_URL`, default `REDIS_URL`: `redis://` selects Redis Streams, `file://` a directory on this machine.
    pub url: Option<SecretString>,
    /// `EVENT_LOG_CAPACITY`, default 2,000,000: number of events that may wait for the speed layer before the API
    /// answers 503 (back-pressure). An event takes about 200 bytes of Redis, so the default is 400 MB, or half an hour
    /// of 1,000 events per second.
    pub capacity: usize,
}

impl EventLogSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        Ok(Self {
            url: env.secret("EVENT_LOG_URL"),
            capacity: env.within("EVENT_LOG_CAPACITY", 2_000_000, 1..=1_000_000_000)?,
        })
    }

    /// Returns the URL of the event log; by default it is in the same Redis as the queue.
    pub fn url<'a>(&'a self, redis: &'a RedisSettings) -> &'a SecretString {
        self.url.as_ref().unwrap_or(&redis.url)
    }
}

/// The waiting room of facts about movies that the catalogue does not have yet. It is measured in units: a fact takes one
/// per KiB begun. API and worker must use the same values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingSettings {
    /// `WAITING_PER_MOVIE`, default 10,000: units that may wait for one movie before the API answers 422. A film that is
    /// talked about a day before its ingest gets some thousand events.
    pub per_movie: i64,
    /// `WAITING_TOTAL`, default 200,000: units that may wait for all movies, so some 200 MB, before the API answers 503
    /// to facts about unknown movies. Facts about known ones go on.
    pub total: i64,
    /// `WAITING_DAYS`, default 14: a fact whose movie has not arrived by then is deleted and counted. Ingest runs every
    /// night, so its movie will not come.
    pub kept: Duration,
}

impl WaitingSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        Ok(Self {
            per_movie: env.within("WAITING_PER_MOVIE", 10_000, 1..=10_000_000)?,
            total: env.within("WAITING_TOTAL", 200_000, 1..=100_000_000)?,
            kept: days(env.within("WAITING_DAYS", 14, 1..=3_650)?),
        })
    }
}

/// Whole days.
pub(crate) fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

/// A role of a worker process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs jobs of the queue.
    Jobs,
    /// Runs the speed layer: folds events from the event log into views.
    Speed,
}

impl Role {
    /// `WORKER_ROLES`, `jobs,speed`.
    pub fn load(env: &Env) -> Result<Vec<Self>, SettingsError> {
        let name = "WORKER_ROLES";
        let role = |word: &str| match word.trim() {
            "jobs" => Ok(Self::Jobs),
            "speed" => Ok(Self::Speed),
            _ => Err(env.malformed(name, "must be jobs, speed, or both with a comma between")),
        };
        env.text(name).unwrap_or("jobs,speed").split(',').map(role).collect()
    }
}

/// The speed layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpeedSettings {
    /// `SPEED_BATCH_SIZE`, default 5,000: maximum number of facts in a micro-batch, which is one transaction. Larger
    /// ones gain little and hold row locks longer.
    pub batch_size: usize,
    /// `SPEED_LINGER_MS`, default 50: time that a micro-batch which is not full waits for more facts. Events must be
    /// counted within a second; this is a twentieth of it.
    pub linger: Duration,
    /// `SPEED_LANES`, default 2: number of concurrent micro-batches in this process. One reads and decodes while
    /// PostgreSQL works for the other.
    pub lanes: usize,
    /// `SPEED_CLAIM_SECONDS`, default 30: a reader of the event log that is silent for this long counts as dead, and
    /// another reader takes over its facts.
    pub claim_after: Duration,
    /// `SPEED_TRIES`, default 3: number of attempts after which a fact that cannot be applied becomes a dead letter.
    pub tries: u64,
}

impl SpeedSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        Ok(Self {
            batch_size: env.within("SPEED_BATCH_SIZE", 5_000, 1..=50_000)?,
            linger: Duration::from_millis(env.within("SPEED_LINGER_MS", 50, 0..=10_000)?),
            lanes: env.within("SPEED_LANES", 2, 1..=16)?,
            claim_after: Duration::from_secs(env.within("SPEED_CLAIM_SECONDS", 30, 1..=3_600)?),
            tries: env.within("SPEED_TRIES", 3, 1..=100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_a_list_of_known_words() {
        let roles = |value| Role::load(&Env::of([("WORKER_ROLES", value)]));
        assert_eq!(Role::load(&Env::of([])), Ok(vec![Role::Jobs, Role::Speed]));
        assert_eq!(roles("speed"), Ok(vec![Role::Speed]));
        assert_eq!(roles("jobs, speed"), Ok(vec![Role::Jobs, Role::Speed]));
        for bad in ["batch", "jobs,", "jobs;speed"] {
            assert!(roles(bad).unwrap_err().to_string().contains("WORKER_ROLES"), "{bad}");
        }
    }
}
