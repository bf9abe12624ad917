use super::Split;
use crate::models::Recommender;
use crate::random::Random;

/// Where a viewer's one held-out item ranks, from 0, among itself and `negatives` items that were drawn uniformly from what
/// the viewer is not known to like (with replacement, as He et al. 2017, "Neural collaborative filtering", drew them).
///
/// Only to compare with published tables: such ranks can order models wrongly (Krichene and Rendle 2020, "On sampled metrics
/// for item recommendation"). Equal scores count half against the item, an item not to be recommended counts as last. Viewers
/// with more or fewer held-out items than one are left out, and so are those who know everything.
pub fn sampled_ranks(model: &dyn Recommender, split: &Split, negatives: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut scores = vec![0.0; model.items()];
    let mut ranks = Vec::new();
    for viewer in 0..split.held.height() {
        let (held, seen) = (split.held.row(viewer).columns, split.exclude.row(viewer).columns);
        let &[item] = held else { continue };
        if seen.len() + 1 >= model.items() {
            continue;
        }
        model.score(split.histories.row(viewer), &mut scores);
        let own = scores[item as usize];
        let mut rank = 0.0;
        let mut drawn = 0;
        while drawn < negatives {
            let other = (random.next() % model.items() as u64) as u32;
            if other == item || seen.binary_search(&other).is_ok() {
                continue;
            }
            drawn += 1;
            let score = scores[other as usize];
            rank += if score > own { 1.0 } else { f64::from(u8::from(score == own)) / 2.0 };
        }
        ranks.push(if own.is_finite() { rank } else { negatives as f64 });
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interactions::{Interactions, Row};

    /// Scores each item by its ordinal.
    struct Ascending(usize);

    impl Recommender for Ascending {
        fn items(&self) -> usize {
            self.0
        }

        fn score(&self, _history: Row<'_>, scores: &mut [f32]) {
            scores.iter_mut().zip(0u16..).for_each(|(score, item)| *score = f32::from(item));
        }
    }

    #[test]
    fn a_rank_counts_the_drawn_items_above() {
        let rows = |pairs: &[(u32, u32)]| Interactions::likes(pairs.iter().copied(), 3, 1_000).viewers().clone();
        let histories = rows(&[(0, 0), (1, 1), (2, 2)]);
        let split = Split {
            train: Interactions::new(histories.clone()),
            exclude: histories.clone(),
            histories,
            held: rows(&[(0, 999), (1, 0), (2, 500)]),
        };
        let ranks = sampled_ranks(&Ascending(1_000), &split, 100, 1);
        assert_eq!(ranks[..2], [0.0, 100.0]);
        assert!((30.0..70.0).contains(&ranks[2]), "{ranks:?}");
    }
}
