//! Windows of time (DESIGN.md section 3, "The 48-hour merge").

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// Facts older than this are the batch layer's, newer ones the speed layer's.
pub const CUTOFF_HOURS: i64 = 48;

/// The hour from which on the speed layer may answer: [`CUTOFF_HOURS`] before `now`, at the full hour.
pub fn cutoff(now: DateTime<Utc>) -> DateTime<Utc> {
    let earlier = now - TimeDelta::hours(CUTOFF_HOURS);
    // Rounding fails only for times outside of the years 1677 to 2262, which no clock shows.
    earlier.duration_trunc(TimeDelta::hours(1)).unwrap_or(earlier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cutoff_lies_on_a_full_hour_two_days_back() {
        let now: DateTime<Utc> = "2026-03-10T12:34:56Z".parse().unwrap();
        assert_eq!(cutoff(now).to_rfc3339(), "2026-03-08T12:00:00+00:00");
    }
}
