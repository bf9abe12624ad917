//! Offline evaluation over the full catalogue: splits, metrics, bootstrap intervals.

mod bootstrap;
mod candidate;
mod cold_items;
mod dislikes;
mod metrics;
mod numpy_random;
mod sampled;
mod select;
mod split;

pub use bootstrap::{Interval, interval, paired};
pub use candidate::{Candidate, FitError};
pub use cold_items::ColdSplit;
pub use dislikes::DislikeSplit;
pub use metrics::{Catalogue, Metric, catalogue};
pub use sampled::sampled_ranks;
pub use select::{Judged, rank, rank_blends};
pub use split::{FOLDS, Part, Protocol, Rating, Ratings, Split, VALIDATIONS};

use crate::models::Recommender;

/// Lists are cut here; every metric's depth is at most this.
pub const DEPTH: usize = 100;

/// The lists of a model for the split's tested viewers, best first, without what they are known to like.
pub fn lists(model: &dyn Recommender, split: &Split) -> Vec<Vec<u32>> {
    let lists = model.recommend(&split.histories, &split.exclude, DEPTH);
    lists.into_iter().map(|list| list.into_iter().map(|scored| scored.0).collect()).collect()
}

#[cfg(test)]
mod tests;
