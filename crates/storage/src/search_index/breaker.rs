//! A circuit breaker: while Meilisearch fails or is slow, searches do not wait for it.
//!
//! Closed: searches ask Meilisearch. After [`FAILURES_MAX`] failures in a row it opens: searches go to PostgreSQL at once,
//! also those that are waiting. From time to time one probe in the background asks Meilisearch; if it answers, the breaker
//! closes, otherwise the next probe waits twice as long.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Failures in a row that open the breaker: one may be a lost connection.
const FAILURES_MAX: u32 = 3;
/// Time from opening to the first probe. It doubles with each failed probe, up to [`PROBE_AFTER_MAX`].
const PROBE_AFTER: Duration = Duration::from_secs(1);
/// Longest time between probes, and so the longest time in which a recovered server is not used.
const PROBE_AFTER_MAX: Duration = Duration::from_secs(30);

/// What a search should do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Ask Meilisearch.
    Ask,
    /// Ask PostgreSQL.
    Skip,
    /// Ask PostgreSQL, and start a probe in the background. The caller reports its outcome.
    SkipAndProbe,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next probe is due; `None` while closed.
    probe_at: Option<Instant>,
    probes_failed: u32,
}

#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    open: watch::Sender<bool>,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), open: watch::Sender::new(false) }
    }

    pub(super) fn route(&self) -> Route {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.probe_at {
            None => Route::Ask,
            Some(due) if Instant::now() < due => Route::Skip,
            Some(_) => {
                // One probe at a time: the next one is due only after this one has certainly ended.
                state.probe_at = Some(Instant::now() + PROBE_AFTER_MAX);
                Route::SkipAndProbe
            }
        }
    }

    /// Completes when the breaker opens.
    pub(super) async fn opened(&self) {
        // The sender lives as long as `self`, so this is no error.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    pub(super) fn succeeded(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
        if self.open.send_replace(false) {
            tracing::info!("Meilisearch answers again");
        }
    }

    pub(super) fn failed(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures += 1;
        if state.probe_at.is_some() {
            state.probes_failed += 1;
        } else if state.failures < FAILURES_MAX {
            return;
        }
        let wait = PROBE_AFTER.saturating_mul(1 << state.probes_failed.min(10)).min(PROBE_AFTER_MAX);
        state.probe_at = Some(Instant::now() + wait);
        if !self.open.send_replace(true) {
            tracing::warn!("Meilisearch failed {FAILURES_MAX} times in a row; PostgreSQL answers until it is back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_probes_once_and_closes_after_a_success() {
        let breaker = Breaker::new();
        breaker.failed();
        breaker.failed();
        breaker.succeeded();
        breaker.failed();
        breaker.failed();
        assert_eq!(breaker.route(), Route::Ask);
        breaker.failed();
        assert_eq!(breaker.route(), Route::Skip);
        breaker.state.lock().unwrap().probe_at = Some(Instant::now());
        assert_eq!(breaker.route(), Route::SkipAndProbe);
        assert_eq!(breaker.route(), Route::Skip, "one probe at a time");
        breaker.failed();
        let due = breaker.state.lock().unwrap().probe_at.unwrap();
        assert!(due > Instant::now() + PROBE_AFTER, "the next probe waits longer");
        breaker.succeeded();
        assert_eq!(breaker.route(), Route::Ask);
    }
}
