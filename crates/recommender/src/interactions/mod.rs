//! Who watched what: sparse matrices of viewers and movies, stored by viewer and by movie.

mod builder;
mod rows;

pub use builder::{Builder, Error, Preference};
pub use rows::{Row, Rows};

/// Interactions as compressed sparse rows both ways: training walks viewers and movies in turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Interactions {
    viewers: Rows,
    items: Rows,
}

impl Interactions {
    /// Builds the second direction of `viewers`.
    pub fn new(viewers: Rows) -> Self {
        let items = viewers.transposed();
        Self { viewers, items }
    }

    /// One row a viewer; columns are items.
    pub fn viewers(&self) -> &Rows {
        &self.viewers
    }

    /// One row an item; columns are viewers.
    pub fn items(&self) -> &Rows {
        &self.items
    }

    /// The number of stored (viewer, item) pairs.
    pub fn len(&self) -> usize {
        self.viewers.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
