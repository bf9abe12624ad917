//! Recommenders behind one interface, so that one evaluation compares them.

mod blend;
mod ease;
mod knn;
mod popularity;

use rayon::prelude::*;

pub use blend::Blend;
pub use ease::{Ease, EaseError, ITEMS_MAX as EASE_ITEMS_MAX};
pub use knn::{Knn, Similarity};
pub use popularity::Popularity;

use crate::als;
use crate::interactions::{Row, Rows};
use crate::progress::Cancelled;
use crate::top_n::{Best, Scored};

/// Scores a viewer's possible next items from the viewer's history alone: viewers of the training data and new ones get
/// the same treatment.
pub trait Recommender: Send + Sync {
    /// Number of items.
    fn items(&self) -> usize;

    /// Writes one score an item for the viewer with this history, whose items are below [`Recommender::items`]. Higher is
    /// better; -∞ means not to be recommended. Scores of seen items are meaningless.
    fn score(&self, history: Row<'_>, scores: &mut [f32]);

    /// The best `n` items for each history, best first, equal scores by item, without the items of
    /// the viewer's row in `exclude` (in the usual case the histories once more).
    ///
    /// # Panics
    /// Panics when `exclude` has not one row a history.
    fn recommend(&self, histories: &Rows, exclude: &Rows, n: usize) -> Vec<Vec<Scored>> {
        assert_eq!(histories.height(), exclude.height(), "one row of excluded items a history");
        (0..histories.height())
            .into_par_iter()
            .map_init(
                || (vec![0.0; self.items()], Best::new(n)),
                |(scores, best), viewer| {
                    self.score(histories.row(viewer), scores);
                    exclude.row(viewer).columns.iter().for_each(|&item| scores[item as usize] = f32::NEG_INFINITY);
                    best.offer(0, scores);
                    best.take()
                },
            )
            .collect()
    }
}

impl<M: Recommender + ?Sized> Recommender for Box<M> {
    fn items(&self) -> usize {
        (**self).items()
    }

    fn score(&self, history: Row<'_>, scores: &mut [f32]) {
        (**self).score(history, scores);
    }

    fn recommend(&self, histories: &Rows, exclude: &Rows, n: usize) -> Vec<Vec<Scored>> {
        (**self).recommend(histories, exclude, n)
    }
}

impl<M: Recommender + ?Sized> Recommender for &M {
    fn items(&self) -> usize {
        (**self).items()
    }

    fn score(&self, history: Row<'_>, scores: &mut [f32]) {
        (**self).score(history, scores);
    }

    fn recommend(&self, histories: &Rows, exclude: &Rows, n: usize) -> Vec<Vec<Scored>> {
        (**self).recommend(histories, exclude, n)
    }
}

impl Recommender for als::FoldIn<'_> {
    fn items(&self) -> usize {
        self.item_count()
    }

    fn score(&self, history: Row<'_>, scores: &mut [f32]) {
        let vector = self.vector(history);
        for (item, score) in scores.iter_mut().enumerate() {
            *score = als::FoldIn::score(self, &vector, item);
        }
    }

    /// All viewers' vectors first, then blocked matrix products.
    fn recommend(&self, histories: &Rows, exclude: &Rows, n: usize) -> Vec<Vec<Scored>> {
        match crate::top_n::top_n(&self.vectors(histories), self.item_factors(), exclude, n, &()) {
            Ok(lists) => lists,
            Err(Cancelled) => unreachable!("nobody cancels"),
        }
    }
}

#[cfg(test)]
mod tests;
