//! Hours and windows of event time, UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

const SECONDS: i64 = 3_600;
const MICROS: i64 = SECONDS * 1_000_000;

/// One hour of event time, as the number of hours since 1970-01-01T00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour that contains a moment: its first instant inclusive, the next hour's exclusive. A leap second belongs to
    /// the next hour, as in PostgreSQL ([`crate::clock::storable`]).
    pub fn of(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_micros().div_euclid(MICROS))
    }

    /// The hour's first instant. Hours outside chrono's range are clamped to the range's ends.
    pub fn start(self) -> DateTime<Utc> {
        let end = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        self.0.checked_mul(SECONDS).and_then(|s| DateTime::from_timestamp(s, 0)).unwrap_or(end)
    }

    /// Hours since 1970.
    pub fn index(self) -> i64 {
        self.0
    }

    /// The hour with this [`Hour::index`].
    pub fn from_index(index: i64) -> Self {
        Self(index)
    }

    /// The hour `hours` later, or earlier where negative. Saturates at the ends of `i64`.
    pub fn plus(self, hours: i64) -> Self {
        Self(self.0.saturating_add(hours))
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.start().format("%Y-%m-%dT%H:00:00Z").fmt(f)
    }
}

/// How far back a read goes: `6`, `6h`, `7d`, `30d`, `90d`, `all`. A number without a unit means hours (seed 1, section
/// 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Window {
    Hours(u32),
    Days(u32),
    All,
}

impl Window {
    /// The longest window except `all`: ten years.
    pub const MAX_HOURS: u32 = 87_600;

    /// The first moment of the window that ends at `now`.
    pub fn since(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self.hours() {
            Some(hours) => {
                now.checked_sub_signed(TimeDelta::hours(i64::from(hours))).unwrap_or(DateTime::<Utc>::MIN_UTC)
            }
            None => DateTime::<Utc>::MIN_UTC,
        }
    }

    /// The window's length in hours; `None` for `all`.
    pub fn hours(self) -> Option<u32> {
        match self {
            Self::Hours(hours) => Some(hours),
            Self::Days(days) => Some(days * 24),
            Self::All => None,
        }
    }
}

impl FromStr for Window {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || "must be hours (6 or 6h), days (7d) or all, at most ten years".to_owned();
        if text == "all" {
            return Ok(Self::All);
        }
        let (digits, per_unit) = match text.strip_suffix('d') {
            Some(days) => (days, 24),
            None => (text.strip_suffix('h').unwrap_or(text), 1),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        match digits.parse::<u32>().ok().and_then(|n| Some((n, n.checked_mul(per_unit)?))) {
            Some((n, hours)) if (1..=Self::MAX_HOURS).contains(&hours) => {
                Ok(if per_unit == 24 { Self::Days(n) } else { Self::Hours(n) })
            }
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hours(hours) => write!(f, "{hours}h"),
            Self::Days(days) => write!(f, "{days}d"),
            Self::All => f.write_str("all"),
        }
    }
}

impl TryFrom<String> for Window {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_hour_begins_on_its_edge() {
        let edge: DateTime<Utc> = "2026-03-10T14:00:00Z".parse().unwrap();
        assert_eq!(Hour::of(edge).to_string(), "2026-03-10T14:00:00Z");
        assert_eq!(Hour::of(edge - TimeDelta::nanoseconds(1)).plus(1), Hour::of(edge));
        assert_eq!(Hour::of(edge).start(), edge);
    }

    #[test]
    fn windows_are_read_as_the_seeds_write_them() {
        for (text, hours, shown) in
            [("6", Some(6), "6h"), ("6h", Some(6), "6h"), ("7d", Some(168), "7d"), ("all", None, "all")]
        {
            let window: Window = text.parse().unwrap();
            assert_eq!((window.hours(), window.to_string().as_str()), (hours, shown));
        }
        for bad in ["", "0", "0d", "-1", "6m", "h", "d", "7dd", "99999999999", "4000000000d", "١h"] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_window_or_an_error(text in ".*") {
            if let Ok(window) = text.parse::<Window>() {
                prop_assert_eq!(window.to_string().parse(), Ok(window));
            }
        }
    }
}
