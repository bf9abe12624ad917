//! Waiting for a condition.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Poll interval.
pub const POLL: Duration = Duration::from_millis(20);

/// The result of one poll of a condition: its value, or what was observed instead.
pub trait Condition {
    /// The value of a condition that holds.
    type Found;

    /// The value, or a description of what was observed instead for the failure message.
    fn found(self) -> Result<Self::Found, String>;
}

impl<T> Condition for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "not yet".to_owned())
    }
}

impl<T, S: Debug> Condition for Result<T, S> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|seen| format!("{seen:?}"))
    }
}

/// Polls `condition` every [`POLL`] until it returns `Some` or `Ok`, and returns the value. An `Err` holds what was
/// observed instead.
///
/// # Panics
/// Fails the test after `timeout`, with `what` was awaited and what was observed last.
pub async fn eventually<L: Condition>(
    what: &str,
    timeout: Duration,
    mut condition: impl AsyncFnMut() -> L,
) -> L::Found {
    let start = Instant::now();
    loop {
        match condition().await.found() {
            Ok(found) => return found,
            Err(seen) => assert!(start.elapsed() < timeout, "not within {timeout:?}: {what}. Last seen: {seen}"),
        }
        tokio::time::sleep(POLL).await;
    }
}
