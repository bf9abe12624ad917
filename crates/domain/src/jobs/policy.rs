//! Leases, retries and back-off of jobs.

use std::time::Duration;

/// Crashes of its worker without progress in between after which a job is marked as failed: one crash may be chance,
/// three mean that the job causes them.
pub const MAX_CRASHES: i32 = 3;

/// Interval of heartbeats: the worker renews its lease, reports progress and reads whether the job is to be cancelled.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// Life of a lease without a heartbeat. Long enough that a stalled database alone does not make a job run twice, short
/// enough that another worker takes a dead worker's job over well within a minute.
pub const LEASE: Duration = Duration::from_secs(20);

/// Longest wait between two attempts.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Back-off before attempt `attempts + 1`: 1 s, doubled per attempt up to [`BACKOFF_MAX`], with ±20 % jitter (`jitter`
/// is 0..1), so that jobs that failed in one outage do not retry at the same moment.
pub fn backoff(attempts: i32, jitter: f64) -> Duration {
    let doubled = 2f64.powi(attempts.clamp(1, 16) - 1);
    Duration::from_secs_f64(doubled.min(BACKOFF_MAX.as_secs_f64()) * (0.8 + 0.4 * jitter.clamp(0.0, 1.0)))
}

/// Interval at which a job that waits for a lock of another job asks again. Waiting costs no attempt.
pub const WAITING_POLL: Duration = Duration::from_secs(5);

/// Estimated seconds left, extrapolated linearly from the work done so far. `None` until something is done.
pub fn eta_seconds(done: i64, total: i64, elapsed: Duration) -> Option<i64> {
    if done <= 0 || total < done {
        return None;
    }
    Some((elapsed.as_secs_f64() * (total - done) as f64 / done as f64).round() as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn eta_extrapolates_linearly() {
        assert_eq!(eta_seconds(25, 100, Duration::from_secs(10)), Some(30));
        assert_eq!(eta_seconds(0, 100, Duration::from_secs(10)), None);
        assert_eq!(eta_seconds(100, 100, Duration::from_secs(10)), Some(0));
    }

    proptest! {
        #[test]
        fn backoff_grows_and_stays_bounded(attempts in i32::MIN..i32::MAX, jitter in -1.0f64..2.0) {
            let wait = backoff(attempts, jitter);
            prop_assert!(wait >= Duration::from_millis(800) && wait <= BACKOFF_MAX.mul_f64(1.2));
        }
    }
}
