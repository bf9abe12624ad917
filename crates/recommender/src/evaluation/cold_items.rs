use super::{Ratings, Split};
use crate::Interactions;
use crate::interactions::Rows;
use crate::random::Random;

/// Fewest likes of an item that is made cold: with fewer there is nothing to test it on.
const LIKES_MIN: usize = 5;

/// One item in so many of those is made cold.
const ONE_IN: u64 = 10;

/// A test of items that nobody has liked in training.
#[derive(Debug, Clone, PartialEq)]
pub struct ColdSplit {
    /// Trained on the likes of all other items. Lists leave all other items out, so cold items are ranked among themselves.
    pub split: Split,
    /// The cold items, ascending.
    pub cold: Vec<u32>,
}

impl Ratings {
    /// Takes a tenth of the items with five or more likes (ratings of at least `like_min`) out of the training data and holds
    /// their likes out, for the viewers who like other items too.
    pub fn cold_split(&self, like_min: f32, seed: u64) -> ColdSplit {
        let likes: Vec<(u32, u32)> =
            self.rows.iter().filter(|row| row.value >= like_min).map(|row| (row.viewer, row.item)).collect();
        let mut counts = vec![0usize; self.items];
        likes.iter().for_each(|&(_, item)| counts[item as usize] += 1);
        let mut random = Random::new(seed);
        let is_cold: Vec<bool> =
            counts.iter().map(|&count| count >= LIKES_MIN && random.next().is_multiple_of(ONE_IN)).collect();
        let is = |item: u32, cold: bool| is_cold[item as usize] == cold;
        let part = |cold: bool| likes.iter().copied().filter(move |pair| is(pair.1, cold));
        let train = Interactions::likes(part(false), self.viewers, self.items);
        let held = Interactions::likes(part(true), self.viewers, self.items);
        let tested: Vec<usize> = (0..self.viewers)
            .filter(|&viewer| !held.viewers().row(viewer).is_empty() && !train.viewers().row(viewer).is_empty())
            .collect();
        let of = |rows: &Rows| -> Rows {
            let pairs = tested.iter().zip(0..).flat_map(|(&viewer, row)| {
                rows.row(viewer).columns.iter().map(move |&item| (row, item)).collect::<Vec<_>>()
            });
            Interactions::likes(pairs, tested.len(), self.items).viewers().clone()
        };
        let (histories, held) = (of(train.viewers()), of(held.viewers()));
        let items = || 0..self.items as u32;
        let warm: Vec<u32> = items().filter(|&item| !is_cold[item as usize]).collect();
        let offsets = (0..=tested.len()).map(|row| row * warm.len()).collect();
        let exclude = Rows::from_parts(offsets, warm.repeat(tested.len()), None, self.items);
        let cold = items().filter(|&item| is_cold[item as usize]).collect();
        ColdSplit { split: Split { train, histories, exclude, held }, cold }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Rating;

    #[test]
    fn a_cold_item_has_no_likes_in_training_and_all_of_them_in_the_test() {
        let row = |viewer, item| Rating { viewer, item, value: 4.0, time: 0 };
        let rows = (0..6).flat_map(|viewer| (0..100).map(move |item| row(viewer, item))).collect();
        let ColdSplit { split, cold } = Ratings { rows, viewers: 6, items: 100 }.cold_split(4.0, 1);
        assert!((3..25).contains(&cold.len()), "{}", cold.len());
        assert!(cold.iter().all(|&item| split.train.items().row(item as usize).is_empty()));
        assert_eq!(split.held.row(3).columns, cold);
        assert_eq!(split.exclude.row(3).len() + cold.len(), 100);
        assert_eq!(split.train.len(), 6 * (100 - cold.len()));
    }
}
