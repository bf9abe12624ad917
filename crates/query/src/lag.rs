//! How far the speed layer is behind the event log. Answers that need the speed layer say so when it lags.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use storage::event_log::EventSink;

/// How often the backlog is measured, however many readers ask for it.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// Longest that a measurement may take.
const MEASURE_TIMEOUT: Duration = Duration::from_millis(500);

/// Sentinel in place of milliseconds: the event log could not be asked.
const UNKNOWN: u64 = u64::MAX;

/// The last measurement, and the limit from which on it is too much.
pub struct Lag {
    log: Arc<dyn EventSink>,
    limit: Duration,
    /// Milliseconds, or [`UNKNOWN`].
    last: AtomicU64,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The age of the oldest fact that is not counted yet; zero where all are.
    Behind(Duration),
    /// The event log could not be asked.
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
    /// Unknown at first. Beyond `limit` the speed layer counts as lagging.
    pub fn new(log: Arc<dyn EventSink>, limit: Duration) -> Self {
        Self { log, limit, last: AtomicU64::new(UNKNOWN) }
    }

    /// The last measurement, without waiting: a second old at most while [`watch`] runs.
    pub fn read(&self) -> Reading {
        match self.last.load(Ordering::Relaxed) {
            UNKNOWN => Reading::Unknown,
            millis => Reading::Behind(Duration::from_millis(millis)),
        }
    }

    /// Whether the last measurement is beyond the limit.
    pub fn is_too_much(&self) -> bool {
        self.is_beyond_limit(self.read())
    }

    /// Asks the event log and keeps its answer.
    pub async fn measure(&self) -> Reading {
        let reading = self.ask().await;
        let millis = match reading {
            Reading::Behind(lag) => u64::try_from(lag.as_millis()).unwrap_or(UNKNOWN),
            Reading::Unknown => UNKNOWN,
        };
        self.last.store(millis, Ordering::Relaxed);
        reading
    }

    async fn ask(&self) -> Reading {
        match tokio::time::timeout(MEASURE_TIMEOUT, self.log.backlog()).await {
            Ok(Ok(backlog)) => Reading::Behind(backlog.lag.unwrap_or_default()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the event log's backlog cannot be read");
                Reading::Unknown
            }
            Err(_elapsed) => Reading::Unknown,
        }
    }

    /// Whether a measurement is beyond the limit. An unknown one is not: while the log is away it takes no facts, so the
    /// speed layer misses what was waiting then and nothing since.
    pub fn is_beyond_limit(&self, reading: Reading) -> bool {
        matches!(reading, Reading::Behind(lag) if lag > self.limit)
    }
}

/// Measures once a second for as long as the process runs, and calls `crossed` when the limit is crossed either way: what
/// answers said of the lag before is wrong then.
pub async fn watch(lag: Arc<Lag>, crossed: impl Fn() + Send) {
    let mut before = lag.is_too_much();
    loop {
        lag.measure().await;
        let lags = lag.is_too_much();
        // Compared with this task's own last word: health measures, too.
        if std::mem::replace(&mut before, lags) != lags {
            tracing::warn!(lags, "the speed layer's lag has crossed its limit");
            crossed();
        }
        tokio::time::sleep(MEASURE_INTERVAL).await;
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
        assert_eq!(lag.read(), Reading::Unknown, "before the first measurement");
        lag.measure().await;
        assert_eq!((lag.read(), lag.is_too_much()), (Reading::Behind(Duration::ZERO), false));
        log.append(&live::facts(1, 1, Utc::now())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        lag.measure().await;
        assert!(lag.is_too_much(), "{:?}", lag.read());
    }

    #[tokio::test]
    async fn a_log_that_is_away_makes_it_unknown() {
        let nobody = live::log_at(SecretString::from("redis://127.0.0.1:1"), "x", 1);
        let lag = Lag::new(nobody, Duration::ZERO);
        lag.measure().await;
        assert_eq!((lag.read(), lag.is_too_much()), (Reading::Unknown, false));
    }
}
