use super::Recommender;
use crate::interactions::{Interactions, Row};

/// The same list for everybody: items by the sum of their likes' weights. Every other model has to beat it.
#[derive(Debug, Clone, PartialEq)]
pub struct Popularity(Vec<f32>);

impl Popularity {
    /// Counts likes.
    pub fn new(interactions: &Interactions) -> Self {
        let items = interactions.items();
        Self((0..items.height()).map(|item| items.row(item).iter().map(|(_, value)| value.max(0.0)).sum()).collect())
    }
}

impl Recommender for Popularity {
    fn items(&self) -> usize {
        self.0.len()
    }

    fn score(&self, _history: Row<'_>, scores: &mut [f32]) {
        scores.copy_from_slice(&self.0);
    }
}
