//! `Retry-After`: a pause that all callers of one server share.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

/// The instant before which no request may be sent: a 429 or 503 applies to all callers, not only to the request that
/// met it.
#[derive(Debug, Default)]
pub struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Pauses all requests for `wait` from now; a longer pause stays as it is.
    pub fn extend(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut not_before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = Some(not_before.map_or(until, |earlier| earlier.max(until)));
    }

    /// Waits until it is over.
    pub async fn wait(&self) {
        while let Some(until) = self.closed_until() {
            sleep_until(until).await;
        }
    }

    /// The end of a pause that is not over.
    pub fn closed_until(&self) -> Option<Instant> {
        let not_before = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.filter(|until| *until > Instant::now())
    }
}

/// `Retry-After` as seconds or as an HTTP date. A date is measured against the answer's own `Date`, so that a skewed
/// clock on either side neither shortens nor stretches it. `None` for what is neither, or in the past.
pub fn retry_after(value: &str, answered_at: Option<&str>, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value.trim()).ok()?;
    let now = answered_at.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    until.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 10:00:00 GMT").unwrap();
        let date = "Sun, 22 Nov 2026 10:00:07 GMT";
        assert_eq!(retry_after(" 3 ", None, now), Some(Duration::from_secs(3)));
        assert_eq!(retry_after(date, None, now), Some(Duration::from_secs(7)));
        // Our clock is an hour slow; the server's own date tells.
        let slow = now - Duration::from_secs(3_600);
        assert_eq!(retry_after(date, Some("Sun, 22 Nov 2026 10:00:00 GMT"), slow), Some(Duration::from_secs(7)));
        for garbage in ["", "-1", "soon", "1.5", "Sun, 22 Nov 2026 09:00:00 GMT", "99999999999999999999"] {
            assert_eq!(retry_after(garbage, None, now), None, "{garbage}");
        }
    }

    #[tokio::test]
    async fn the_longest_pause_wins() {
        let pause = Pause::default();
        pause.extend(Duration::from_millis(60));
        pause.extend(Duration::from_millis(5));
        let started = Instant::now();
        pause.wait().await;
        assert!(started.elapsed() >= Duration::from_millis(50));
        assert!(pause.closed_until().is_none());
    }
}
