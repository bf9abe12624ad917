//! Paging, parsed once at the edge.

use serde::{Deserialize, Serialize};

use crate::trending::RANKS_KEPT;

/// Items per page, 1 to [`Limit::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Limit(u16);

impl Limit {
    pub const MAX: u16 = 100;
    pub const DEFAULT: Self = Self(20);
    /// Enough to learn how many there are.
    pub const ONE: Self = Self(1);
    /// Rows of one step of an export that goes on until there are no more. Not to be asked for from outside.
    pub const STEP: Self = Self(1_000);
    /// An export that is one step: nightly rankings keep no more ranks, search counts fewer hits, and of jobs and live
    /// ranks nobody needs more.
    pub const WHOLE: Self = Self(RANKS_KEPT as u16);

    pub fn get(self) -> i64 {
        i64::from(self.0)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<String> for Limit {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.parse::<u16>() {
            Ok(n @ 1..=Self::MAX) => Ok(Self(n)),
            _ => Err(format!("must be a whole number from 1 to {}", Self::MAX)),
        }
    }
}

/// Items to skip, 0 to [`Offset::MAX`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Offset(u32);

impl Offset {
    /// PostgreSQL walks every skipped row, so an unbounded offset is an unbounded query.
    pub const MAX: u32 = 100_000;

    pub fn get(self) -> i64 {
        i64::from(self.0)
    }
}

impl TryFrom<String> for Offset {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.parse::<u32>() {
            Ok(n) if n <= Self::MAX => Ok(Self(n)),
            _ => Err(format!("must be a whole number from 0 to {}", Self::MAX)),
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    pub limit: Limit,
    pub offset: Offset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_offsets_outside_their_bounds_are_refused() {
        for bad in ["0", "101", "-1", "abc", "", "1e2", "99999999999999999999"] {
            assert!(Limit::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for bad in ["-1", "abc", "", "100001"] {
            assert!(Offset::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert_eq!(Limit::try_from("100".to_owned()).map(Limit::get), Ok(100));
        assert_eq!(Offset::try_from("0".to_owned()).map(Offset::get), Ok(0));
    }
}
