//! Paging parameters, parsed once at the edge.

use serde::{Deserialize, Serialize};

use crate::trending::RANKS_KEPT;

/// Items per page, 1 to [`Limit::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Limit(u16);

impl Limit {
    /// The most items of a page.
    pub const MAX: u16 = 100;
    /// The number of items where the request has no `limit`.
    pub const DEFAULT: Self = Self(20);
    /// One item, for a reader who needs only the total.
    pub const ONE: Self = Self(1);
    /// Rows of one step of an export that is read in steps. Requests cannot choose it.
    pub const STEP: Self = Self(1_000);
    /// Most rows of an export that is read in one step: nightly rankings keep no more ranks, search counts fewer hits,
    /// and lists of jobs and live ranks are cut to it.
    pub const WHOLE: Self = Self(RANKS_KEPT as u16);

    /// Number of items, as SQL's `LIMIT` takes it.
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
    /// Upper bound of an offset: PostgreSQL reads every skipped row, so an unbounded offset is an unbounded query.
    pub const MAX: u32 = 100_000;

    /// Number of items, as SQL's `OFFSET` takes it.
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    pub limit: Limit,
    pub offset: Offset,
}

impl Page {
    /// The first page of a list.
    pub fn first(limit: Limit) -> Self {
        Self { limit, offset: Offset::default() }
    }

    /// The page's number, counted from 1 in pages of `limit` items.
    pub fn number(self) -> i64 {
        self.offset.get() / self.limit.get() + 1
    }

    /// The page's items out of a complete list.
    pub fn of<T>(self, items: Vec<T>) -> Vec<T> {
        items.into_iter().skip(self.offset.0 as usize).take(usize::from(self.limit.0)).collect()
    }
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

    #[test]
    fn pages_are_counted_from_one() {
        let page = |limit, offset| Page { limit: Limit(limit), offset: Offset(offset) };
        assert_eq!([page(20, 0), page(20, 19), page(20, 20), page(5, 12)].map(Page::number), [1, 1, 2, 3]);
        assert_eq!(page(2, 1).of(vec!['a', 'b', 'c', 'd']), ['b', 'c']);
        assert!(page(2, 9).of(vec!['a']).is_empty());
    }
}
