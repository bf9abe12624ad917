//! The rows that an operator's action is about.

/// Some rows by id, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Ids(Vec<i64>),
    All,
}

impl Which {
    /// The ids, as SQL takes them; `None` means all rows.
    pub(crate) fn ids(&self) -> Option<&[i64]> {
        match self {
            Self::Ids(ids) => Some(ids),
            Self::All => None,
        }
    }
}
