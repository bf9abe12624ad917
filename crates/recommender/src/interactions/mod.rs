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

    /// Plain likes of weight 1 from (viewer, item) pairs in any order; a repeated pair counts once.
    ///
    /// # Panics
    /// Panics when a viewer is not below `viewers`, or an item not below `items`.
    pub fn likes(pairs: impl IntoIterator<Item = (u32, u32)>, viewers: usize, items: usize) -> Self {
        let mut pairs: Vec<(u32, u32)> = pairs.into_iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut offsets = vec![0; viewers + 1];
        pairs.iter().for_each(|&(viewer, _)| offsets[viewer as usize + 1] += 1);
        (0..viewers).for_each(|viewer| offsets[viewer + 1] += offsets[viewer]);
        let columns = pairs.into_iter().map(|(_, item)| item).collect();
        Self::new(Rows::from_parts(offsets, columns, None, items))
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
