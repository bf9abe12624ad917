//! How far the speed layer is behind the event log: answers that need it say when it lags.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use storage::event_log::EventSink;

use crate::State;

/// The log is asked as often, however many ask us.
const LOOK: Duration = Duration::from_secs(1);

/// Longest that a reading may take.
const READ_LIMIT: Duration = Duration::from_millis(500);

/// In the place of milliseconds: the log cannot be asked.
const UNKNOWN: u64 = u64::MAX;

/// See the module's head.
pub struct Lag {
    log: Arc<dyn EventSink>,
    limit: Duration,
    /// The last reading, in milliseconds.
    last: AtomicU64,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The age of the oldest fact that is not counted yet; zero where all are.
    Behind(Duration),
    /// The log cannot be asked.
    Unknown,
}

impl Reading {
    /// In seconds, for bodies; `None` is unknown.
    pub fn seconds(self) -> Option<f64> {
        match self {
            Self::Behind(lag) => Some(lag.as_secs_f64()),
            Self::Unknown => None,
        }
    }
}

impl Lag {
    pub fn new(log: Arc<dyn EventSink>, limit: Duration) -> Self {
        Self { log, limit, last: AtomicU64::new(UNKNOWN) }
    }

    /// How far it was behind a second ago at most. Nobody waits for it.
    pub fn read(&self) -> Reading {
        match self.last.load(Ordering::Relaxed) {
            UNKNOWN => Reading::Unknown,
            millis => Reading::Behind(Duration::from_millis(millis)),
        }
    }

    /// Whether it is too far behind.
    pub fn is_too_much(&self) -> bool {
        self.is_beyond_limit(self.read())
    }

    /// Asks the log and remembers its answer.
    pub async fn look(&self) -> Reading {
        let reading = self.ask().await;
        let millis = match reading {
            Reading::Behind(lag) => u64::try_from(lag.as_millis()).unwrap_or(UNKNOWN),
            Reading::Unknown => UNKNOWN,
        };
        self.last.store(millis, Ordering::Relaxed);
        reading
    }

    async fn ask(&self) -> Reading {
        match tokio::time::timeout(READ_LIMIT, self.log.backlog()).await {
            Ok(Ok(backlog)) => Reading::Behind(backlog.lag.unwrap_or_default()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the event log's backlog cannot be read");
                Reading::Unknown
            }
            Err(_slow) => Reading::Unknown,
        }
    }

    /// Whether a reading is beyond the limit. An unknown one is not: while the log is away it takes no facts, so the
    /// speed layer misses what was waiting then and nothing since.
    pub fn is_beyond_limit(&self, reading: Reading) -> bool {
        matches!(reading, Reading::Behind(lag) if lag > self.limit)
    }
}

/// Keeps the reading current for as long as the process runs. When the limit is passed, either way, what was cached says the
/// wrong thing of it and is outdated.
pub async fn watch(state: Arc<State>) {
    loop {
        let before = state.lag.is_too_much();
        state.lag.look().await;
        let now = state.lag.is_too_much();
        if before != now {
            tracing::warn!(lags = now, "the speed layer's lag has passed its limit");
            state.cache.outdate_live();
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use secrecy::SecretString;
    use test_support::{live, unique_prefix};

    use super::*;

    #[tokio::test]
    async fn facts_that_nobody_counts_make_it_lag_and_an_empty_log_does_not() {
        let log = live::log(&unique_prefix(), 100);
        let lag = Lag::new(log.clone(), Duration::from_millis(100));
        assert_eq!(lag.read(), Reading::Unknown, "before the first look");
        lag.look().await;
        assert_eq!((lag.read(), lag.is_too_much()), (Reading::Behind(Duration::ZERO), false));
        log.append(&live::facts(1, 1, Utc::now())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        lag.look().await;
        assert!(lag.is_too_much(), "{:?}", lag.read());
    }

    #[tokio::test]
    async fn a_log_that_is_away_makes_it_unknown() {
        let nobody = live::log_at(SecretString::from("redis://127.0.0.1:1"), "x", 1);
        let lag = Lag::new(nobody, Duration::ZERO);
        lag.look().await;
        assert_eq!((lag.read(), lag.is_too_much()), (Reading::Unknown, false));
    }
}
