//! One normalisation of moments, applied where they enter: by the API's door, at the event log and by whatever writes
//! what a source says.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer};

/// How far in the future a stored moment may lie before it counts as a wrong clock's: clocks are off by minutes.
pub const AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// The moment as PostgreSQL stores it: without fractions of a microsecond, and a leap second (23:59:60) is the first
/// second after it. So both agree on the hour.
pub fn storable(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

/// A moment that a source or another clock reports, which cannot be later than `now`: a later one would beat every
/// observation until then.
pub fn observed(at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    storable(at).min(now)
}

/// Deserializes a moment as [`storable`].
///
/// # Errors
/// As chrono's deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    DateTime::<Utc>::deserialize(deserializer).map(storable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hours::Hour;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_leap_second_is_the_first_of_the_next_hour_for_both() {
        let leap = at("2016-12-31T23:59:60.5Z");
        assert_eq!(storable(leap), at("2017-01-01T00:00:00.5Z"));
        assert_eq!(Hour::of(leap), Hour::of(storable(leap)));
        assert_eq!(Hour::of(leap).to_string(), "2017-01-01T00:00:00Z");
    }

    #[test]
    fn fractions_of_a_microsecond_are_cut_and_not_rounded() {
        for year in [1999, 2026] {
            let edge = at(&format!("{year}-03-10T13:59:59.999999999Z"));
            assert_eq!(storable(edge), at(&format!("{year}-03-10T13:59:59.999999Z")));
        }
    }

    #[test]
    fn nothing_was_observed_in_the_future() {
        let now = at("2026-03-10T12:00:00Z");
        assert_eq!(observed(at("2036-01-01T00:00:00Z"), now), now);
        assert_eq!(observed(at("2020-01-01T00:00:00Z"), now), at("2020-01-01T00:00:00Z"));
        assert_eq!(observed(DateTime::<Utc>::MIN_UTC, now), DateTime::<Utc>::MIN_UTC);
    }
}
