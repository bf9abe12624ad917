use super::{Ratings, Split};
use crate::Interactions;
use crate::interactions::{Builder, Preference, Rows};

/// What dislikes do: the same viewers and held-out likes, trained with and without them.
#[derive(Debug, Clone, PartialEq)]
pub struct DislikeSplit {
    /// Trained with likes and dislikes.
    pub with: Split,
    /// Trained with likes alone. Lists leave the known dislikes out here too, so that only the ranking differs.
    pub without: Split,
    /// Each tested viewer's latest dislike, unknown in training, if there is one: what a list should not contain.
    pub disliked: Rows,
}

impl Ratings {
    /// Leave-last-out on ratings of at least `like_min`, in a test that only `validation` later likes hide (0 for the test
    /// itself), with the ratings up to `dislike_max` that came before the held-out like as dislikes of weight `weight`.
    ///
    /// # Panics
    /// Panics when `weight` is not a positive finite number.
    pub fn dislike_split(&self, like_min: f32, dislike_max: f32, weight: f32, validation: usize) -> DislikeSplit {
        let (kept, held) = self.held_out(like_min, like_min, validation);
        let mut until = vec![None; self.viewers];
        held.iter().for_each(|&row| until[self.rows[row].viewer as usize] = Some(self.rows[row].time));
        let known: Vec<usize> = (0..self.rows.len())
            .filter(|&row| self.rows[row].value <= dislike_max && !kept[row])
            .filter(|&row| until[self.rows[row].viewer as usize].is_some_and(|until| self.rows[row].time <= until))
            .collect();
        let mut last: Vec<Option<usize>> = vec![None; self.viewers];
        for &row in &known {
            let best = &mut last[self.rows[row].viewer as usize];
            let place = |row: usize| (self.rows[row].time, self.rows[row].item);
            if best.is_none_or(|best| place(row) > place(best)) {
                *best = Some(row);
            }
        }
        let build = |dislikes: bool| -> Interactions {
            let mut builder = Builder::new(self.viewers, self.items);
            let mut push = |row: usize, weight, preference| {
                let rating = self.rows[row];
                let pushed = builder.push(rating.viewer, rating.item, weight, preference);
                assert!(pushed.is_ok(), "the weight of dislikes is positive and finite");
            };
            (0..self.rows.len()).filter(|&row| kept[row]).for_each(|row| push(row, 1.0, Preference::Like));
            if dislikes {
                let trained = known.iter().filter(|&&row| last[self.rows[row].viewer as usize] != Some(row));
                trained.for_each(|&row| push(row, weight, Preference::Dislike));
            }
            match builder.build() {
                Ok(interactions) => interactions,
                Err(error) => unreachable!("a pair occurs once: {error}"),
            }
        };
        let tested: Vec<u32> = held.iter().map(|&row| self.rows[row].viewer).collect();
        let (with, without) = (build(true), build(false));
        let exclude = rows_of(with.viewers(), &tested);
        let one = |rows: Vec<Option<usize>>| {
            let pairs = rows.into_iter().zip(0..).filter_map(|(row, tested)| Some((tested, self.rows[row?].item)));
            Interactions::likes(pairs, tested.len(), self.items).viewers().clone()
        };
        let held = one(held.iter().map(|&row| Some(row)).collect());
        let disliked = one(tested.iter().map(|&viewer| last[viewer as usize]).collect());
        let split = |train: Interactions| Split {
            histories: rows_of(train.viewers(), &tested),
            exclude: exclude.clone(),
            held: held.clone(),
            train,
        };
        DislikeSplit { with: split(with), without: split(without), disliked }
    }
}

/// The rows of these viewers.
fn rows_of(rows: &Rows, viewers: &[u32]) -> Rows {
    let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
    for &viewer in viewers {
        for (column, value) in rows.row(viewer as usize).iter() {
            columns.push(column);
            values.push(value);
        }
        offsets.push(columns.len());
    }
    Rows::from_parts(offsets, columns, Some(values), rows.width())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Rating;

    #[test]
    fn the_latest_dislike_is_kept_for_the_test_and_later_ones_are_not_known() {
        let row = |item, value, time| Rating { viewer: 0, item, value, time };
        let rows = vec![row(0, 5.0, 1), row(1, 1.0, 2), row(2, 2.0, 3), row(3, 3.0, 4), row(4, 4.0, 5), row(5, 1.0, 6)];
        let study = Ratings { rows, viewers: 1, items: 6 }.dislike_split(4.0, 2.0, 0.5, 0);
        let pairs: Vec<(u32, f32)> = study.with.histories.row(0).iter().collect();
        assert_eq!(pairs, [(0, 1.0), (1, -0.5)], "item 4 is held out, 5 came later, 3 says nothing");
        assert_eq!(study.without.histories.row(0).iter().collect::<Vec<_>>(), [(0, 1.0)]);
        assert_eq!(
            (study.without.exclude.row(0).columns, study.with.exclude.row(0).columns),
            (&[0, 1][..], &[0, 1][..])
        );
        assert_eq!((study.with.held.row(0).columns, study.disliked.row(0).columns), (&[4][..], &[2][..]));
    }
}
