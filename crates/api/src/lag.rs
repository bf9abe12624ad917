//! How far the speed layer is behind the event log: answers that need it say when it lags.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use storage::event_log::EventLog;

/// A reading is used for this long; so the log is asked once a second, however many ask us.
const REUSE: Duration = Duration::from_secs(1);

/// Longest that a reading may take: nobody's answer waits for a Redis that is away.
const READ_LIMIT: Duration = Duration::from_millis(500);

/// See the module's head.
pub struct Lag {
    log: Arc<dyn EventLog>,
    limit: Duration,
    /// The last reading.
    readings: Cache<(), Reading>,
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
    pub fn new(log: Arc<dyn EventLog>, limit: Duration) -> Self {
        Self { log, limit, readings: Cache::builder().max_capacity(1).time_to_live(REUSE).build() }
    }

    /// How far it is behind, at most a second ago.
    pub async fn read(&self) -> Reading {
        self.readings.get_with((), self.ask()).await
    }

    /// Whether it is too far behind.
    pub async fn is_too_much(&self) -> bool {
        self.is_beyond_limit(self.read().await)
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

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use secrecy::SecretString;
    use storage::event_log::RedisLog;
    use test_support::{live, unique_prefix};

    use super::*;

    #[tokio::test]
    async fn facts_that_nobody_counts_make_it_lag_and_an_empty_log_does_not() {
        let log = Arc::new(live::log(&unique_prefix(), 100));
        let lag = || Lag::new(log.clone(), Duration::from_millis(100));
        let empty = lag().read().await;
        assert_eq!((empty, lag().is_beyond_limit(empty)), (Reading::Behind(Duration::ZERO), false));
        log.append(&live::facts(1, 1, Utc::now())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        let behind = lag().read().await;
        assert!(lag().is_beyond_limit(behind), "{behind:?}");
    }

    #[tokio::test]
    async fn a_log_that_is_away_makes_it_unknown() {
        let nobody = RedisLog::open(&SecretString::from("redis://127.0.0.1:1"), "x", 1).unwrap();
        let lag = Lag::new(Arc::new(nobody), Duration::ZERO);
        assert_eq!(lag.read().await, Reading::Unknown);
        assert!(!lag.is_beyond_limit(Reading::Unknown));
    }
}
