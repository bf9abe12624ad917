//! Waiting for a condition.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Poll interval.
pub const POLL: Duration = Duration::from_millis(20);

/// One look at a condition: found, or what was seen instead.
pub trait Look {
    /// What the condition yields.
    type Found;

    /// The value, or a description of what was seen instead, for the message.
    fn found(self) -> Result<Self::Found, String>;
}

impl<T> Look for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "not yet".to_owned())
    }
}

impl<T, S: Debug> Look for Result<T, S> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|seen| format!("{seen:?}"))
    }
}

/// Polls `look` every [`POLL`] until it answers `Some` or `Ok`, and answers the value. An `Err` holds what was seen
/// instead.
///
/// # Panics
/// Ends the test when `timeout` is over, with `what` was awaited and what was last seen.
pub async fn eventually<L: Look>(what: &str, timeout: Duration, mut look: impl AsyncFnMut() -> L) -> L::Found {
    let start = Instant::now();
    loop {
        match look().await.found() {
            Ok(found) => return found,
            Err(seen) => assert!(start.elapsed() < timeout, "not within {timeout:?}: {what}. Last seen: {seen}"),
        }
        tokio::time::sleep(POLL).await;
    }
}
