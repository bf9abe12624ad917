//! The lag of the speed layer behind the event log. Answers that need the speed layer report when it is too large.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use storage::event_log::EventSink;

/// Interval of measuring the backlog, independent of the number of readers.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// Time limit of a measurement.
const MEASURE_TIMEOUT: Duration = Duration::from_millis(500);

/// Sentinel: the event log did not answer, so the lag in milliseconds is unknown.
const UNKNOWN: u64 = u64::MAX;

/// The last measurement, and the limit that it is compared with.
pub struct Lag {
    log: Arc<dyn EventSink>,
    limit: Duration,
    /// Lag in milliseconds, or [`UNKNOWN`].
    last: AtomicU64,
    /// Number of events that were not counted yet; the last known one.
    uncounted: AtomicU64,
}

/// A measurement of the lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The age of the oldest event that is not counted yet; zero if all are counted.
    Behind(Duration),
    /// The event log did not answer.
    Unknown,
}

impl Reading {
    /// The lag in seconds; `None` if it is unknown.
    pub fn seconds(self) -> Option<f64> {
        match self {
            Self::Behind(lag) => Some(lag.as_secs_f64()),
            Self::Unknown => None,
        }
    }
}

impl Lag {
    /// Creates a lag that is unknown until it is measured. Beyond `limit` the speed layer counts as lagging.
    pub fn new(log: Arc<dyn EventSink>, limit: Duration) -> Self {
        Self { log, limit, last: AtomicU64::new(UNKNOWN), uncounted: AtomicU64::new(0) }
    }

    /// Returns the last measurement without waiting; it is at most one second old while [`watch`] runs.
    pub fn read(&self) -> Reading {
        match self.last.load(Ordering::Relaxed) {
            UNKNOWN => Reading::Unknown,
            millis => Reading::Behind(Duration::from_millis(millis)),
        }
    }

    /// Returns the number of events that were not counted yet when the event log last answered.
    pub fn uncounted(&self) -> u64 {
        self.uncounted.load(Ordering::Relaxed)
    }

    /// Whether the last measurement is beyond the limit.
    pub fn is_too_much(&self) -> bool {
        self.is_beyond_limit(self.read())
    }

    /// Measures the backlog and stores the result.
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
            Ok(Ok(backlog)) => {
                self.uncounted.store(backlog.waiting, Ordering::Relaxed);
                Reading::Behind(backlog.lag.unwrap_or_default())
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot read the event log's backlog");
                Reading::Unknown
            }
            Err(_elapsed) => Reading::Unknown,
        }
    }

    /// Whether a measurement is beyond the limit. An unknown one is not: an event log that is unreachable accepts no
    /// events, so the speed layer misses only what was waiting before.
    pub fn is_beyond_limit(&self, reading: Reading) -> bool {
        matches!(reading, Reading::Behind(lag) if lag > self.limit)
    }
}

/// Measures once a second for as long as the process runs. Calls `crossed` whenever the lag crosses the limit in either
/// direction, because earlier answers then report a wrong state.
pub async fn watch(lag: Arc<Lag>, crossed: impl Fn() + Send) {
    let mut before = lag.is_too_much();
    loop {
        lag.measure().await;
        let lags = lag.is_too_much();
        // Compare with this task's own last result, since health checks measure too.
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
        assert!(lag.is_too_much() && lag.uncounted() == 1, "{:?}", lag.read());
    }

    #[tokio::test]
    async fn a_log_that_is_away_makes_it_unknown() {
        let nobody = live::log_at(SecretString::from("redis://127.0.0.1:1"), "x", 1);
        let lag = Lag::new(nobody, Duration::ZERO);
        lag.measure().await;
        assert_eq!((lag.read(), lag.is_too_much()), (Reading::Unknown, false));
    }
}
