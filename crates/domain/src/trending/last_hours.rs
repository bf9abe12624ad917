//! The window of live trending.

use serde::{Deserialize, Serialize};

use crate::hours::Window;
use crate::merge::CUTOFF_HOURS;

/// Length of the live trending window in hours: 1 to [`CUTOFF_HOURS`], as far back as the speed layer keeps hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LastHours(u32);

impl LastHours {
    /// The length where a request names none.
    pub const DEFAULT: Self = Self(6);

    /// The length in hours.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for LastHours {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<String> for LastHours {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let hours = text.parse::<Window>().ok().and_then(Window::hours);
        hours
            .filter(|hours| (1..=CUTOFF_HOURS).contains(&i64::from(*hours)))
            .map(Self)
            .ok_or_else(|| format!("must be hours, from 1 to {CUTOFF_HOURS}"))
    }
}

impl From<LastHours> for String {
    fn from(hours: LastHours) -> Self {
        format!("{}h", hours.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_one_hour_to_two_days() {
        for (text, shown) in [("6", "6h"), ("1h", "1h"), ("2d", "48h")] {
            assert_eq!(LastHours::try_from(text.to_owned()).map(String::from).as_deref(), Ok(shown));
        }
        for bad in ["0", "49", "3d", "all", "", "six"] {
            assert!(LastHours::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
