//! The settings of live events: the event log and the speed layer. README.md has the same table.

use std::time::Duration;

use secrecy::SecretString;

use crate::RedisSettings;
use crate::env::{Env, SettingsError};

/// The event log; API and worker must agree on it.
#[derive(Debug, Clone)]
pub struct EventLogSettings {
    /// `EVENT_LOG_URL`, `REDIS_URL`: `redis://` is Redis Streams, `file://` a directory of this machine.
    pub url: Option<SecretString>,
    /// `EVENT_LOG_CAPACITY`, 2,000,000: facts that may wait for the speed layer before senders are told to wait. An event
    /// takes some 200 bytes of Redis, so this is 400 MB, and half an hour of a thousand events a second.
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

    /// Where the log is, next to the queue unless it has a place of its own.
    pub fn url<'a>(&'a self, redis: &'a RedisSettings) -> &'a SecretString {
        self.url.as_ref().unwrap_or(&redis.url)
    }
}

/// What a worker process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes jobs from the queue.
    Jobs,
    /// Folds live events into views.
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
    /// `SPEED_BATCH_SIZE`, 5,000: facts in one transaction at most. Larger ones gain little and hold row locks longer.
    pub batch_size: usize,
    /// `SPEED_LINGER_MS`, 50: how long a micro-batch that is not full waits for more: a twentieth of the second within which an
    /// event is to be counted.
    pub linger: Duration,
    /// `SPEED_LANES`, 2: micro-batches in flight in this process. One reads and decodes while PostgreSQL works for the other.
    pub lanes: usize,
    /// `SPEED_CLAIM_SECONDS`, 30: a reader of the event log that shows no sign of life for so long is
    /// taken for dead, and another takes over its facts.
    pub claim_after: Duration,
    /// `SPEED_TRIES`, 3: attempts after which a fact that cannot be applied becomes a dead letter.
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
