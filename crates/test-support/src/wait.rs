//! Waiting for a condition.

use std::time::{Duration, Instant};

/// Poll interval.
pub const POLL: Duration = Duration::from_millis(20);

/// Polls `look` every [`POLL`] until it answers `Some`, and answers its value.
///
/// # Panics
/// Ends the test when `timeout` is over. `what` names the condition in the message.
pub async fn eventually<T>(what: &str, timeout: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < timeout, "within {timeout:?} it never happened: {what}");
        tokio::time::sleep(POLL).await;
    }
}
