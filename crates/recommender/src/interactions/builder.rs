use super::{Interactions, Rows};

/// Direction of an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// Watched, liked, rated well.
    Like,
    /// Disliked, rated badly, turned off.
    Dislike,
}

/// Why interactions were refused. Rows count from 0 in the order of the calls.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The weight is no confidence.
    #[error(
        "row {row} (viewer {viewer}, item {item}): weight {value} is not a positive finite number; correct or remove the row"
    )]
    Value {
        /// Number of the refused interaction.
        row: usize,
        /// Its viewer.
        viewer: u32,
        /// Its item.
        item: u32,
        /// The refused weight.
        value: f32,
    },
    /// The summed weights of one pair exceed what `f32` holds.
    #[error("viewer {viewer}, item {item}: the sum of the weights is not finite; scale the weights down")]
    Overflow {
        /// The pair's viewer.
        viewer: u32,
        /// The pair's item.
        item: u32,
    },
}

/// Collects (viewer, item, weight) triplets. 12 bytes each until they are built.
///
/// Repeated pairs: weights of one direction are summed; where a viewer both liked and disliked an item, the later
/// interaction decides the direction and the weights before the change are dropped, because people change their minds.
#[derive(Debug, Default)]
pub struct Builder {
    viewers: Vec<u32>,
    items: Vec<u32>,
    /// Absent while every weight is 1 and nothing is disliked.
    values: Option<Vec<f32>>,
    height: usize,
    width: usize,
}

impl Builder {
    /// A builder for at least this many viewers and items; both grow with the ordinals pushed.
    pub fn new(viewers: usize, items: usize) -> Self {
        Self { height: viewers, width: items, ..Self::default() }
    }

    /// Adds one interaction. `weight` is a confidence: 1 for a plain view, more for stronger evidence.
    ///
    /// # Errors
    /// [`Error::Value`] for a weight that is NaN, infinite, 0 or negative; the builder is unchanged.
    pub fn push(&mut self, viewer: u32, item: u32, weight: f32, preference: Preference) -> Result<(), Error> {
        let row = self.viewers.len();
        if !(weight.is_finite() && weight > 0.0) {
            return Err(Error::Value { row, viewer, item, value: weight });
        }
        let value = if preference == Preference::Like { weight } else { -weight };
        if value != 1.0 && self.values.is_none() {
            self.values = Some(vec![1.0; row]);
        }
        if let Some(values) = &mut self.values {
            values.push(value);
        }
        self.viewers.push(viewer);
        self.items.push(item);
        self.height = self.height.max(viewer as usize + 1);
        self.width = self.width.max(item as usize + 1);
        Ok(())
    }

    /// Sorts and merges.
    ///
    /// # Errors
    /// [`Error::Overflow`] when summed weights become infinite.
    pub fn build(self) -> Result<Interactions, Error> {
        Ok(Interactions::new(self.rows()?))
    }

    fn rows(self) -> Result<Rows, Error> {
        let Self { viewers, items, values: weights, height, width } = self;
        let (order, bounds) = grouped(&viewers, height);
        // The largest part of the memory at this point, and not needed any more.
        drop(viewers);
        let mut offsets = Vec::with_capacity(height + 1);
        offsets.push(0);
        let mut columns = Vec::with_capacity(order.len());
        let mut values = weights.as_ref().map(|_| Vec::with_capacity(order.len()));
        let mut pairs: Vec<(u32, f32)> = Vec::new();
        for viewer in 0..height {
            pairs.clear();
            pairs.extend(order[bounds[viewer]..bounds[viewer + 1]].iter().map(|&position| {
                let position = position as usize;
                (items[position], weights.as_ref().map_or(1.0, |weights| weights[position]))
            }));
            // Stable: repeated pairs stay in the order in which they were pushed.
            pairs.sort_by_key(|&(item, _)| item);
            for chunk in pairs.chunk_by(|a, b| a.0 == b.0) {
                let (item, value) = (chunk[0].0, merged(chunk));
                if !value.is_finite() {
                    return Err(Error::Overflow { viewer: viewer as u32, item });
                }
                if value != 1.0 && values.is_none() {
                    values = Some(vec![1.0; columns.len()]);
                }
                columns.push(item);
                if let Some(values) = &mut values {
                    values.push(value);
                }
            }
            offsets.push(columns.len());
        }
        Ok(Rows::from_parts(offsets, columns, values, width))
    }
}

/// Positions of `keys` ordered by key, equal keys in their order, and the bounds of each key's positions.
fn grouped(keys: &[u32], height: usize) -> (Vec<u32>, Vec<usize>) {
    assert!(u32::try_from(keys.len()).is_ok(), "at most 2^32 interactions");
    let mut bounds = vec![0usize; height + 1];
    for &key in keys {
        bounds[key as usize + 1] += 1;
    }
    for i in 1..bounds.len() {
        bounds[i] += bounds[i - 1];
    }
    let mut next = bounds.clone();
    let mut order = vec![0u32; keys.len()];
    for (position, &key) in keys.iter().enumerate() {
        order[next[key as usize]] = position as u32;
        next[key as usize] += 1;
    }
    (order, bounds)
}

fn merged(chunk: &[(u32, f32)]) -> f32 {
    chunk.iter().fold(0.0, |sum: f32, &(_, value)| if sum * value < 0.0 { value } else { sum + value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(row: super::super::Row<'_>) -> Vec<(u32, f32)> {
        row.iter().collect()
    }

    #[test]
    fn a_weight_that_is_no_confidence_is_refused_and_its_row_named() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 0.0] {
            let mut builder = Builder::default();
            builder.push(3, 4, 1.0, Preference::Like).unwrap();
            let error = builder.push(7, 9, bad, Preference::Dislike).unwrap_err();
            assert!(matches!(error, Error::Value { row: 1, viewer: 7, item: 9, .. }), "{error:?}");
            assert!(error.to_string().starts_with("row 1 (viewer 7, item 9): weight "), "{error}");
            assert_eq!(builder.build().unwrap().len(), 1, "the refused row left nothing behind");
        }
    }

    #[test]
    fn repeated_pairs_are_summed_and_a_change_of_mind_starts_anew() {
        let mut builder = Builder::new(2, 5);
        for (item, weight, preference) in [
            (1, 2.0, Preference::Like),
            (3, 1.0, Preference::Like),
            (1, 0.5, Preference::Like),
            (3, 4.0, Preference::Dislike),
            (3, 1.0, Preference::Dislike),
        ] {
            builder.push(0, item, weight, preference).unwrap();
        }
        let built = builder.build().unwrap();
        assert_eq!(pairs(built.viewers().row(0)), [(1, 2.5), (3, -5.0)]);
        assert!(built.viewers().row(1).is_empty());
        assert_eq!((built.viewers().width(), built.items().height()), (5, 5));
    }

    #[test]
    fn repeated_plain_views_count_twice() {
        let mut builder = Builder::default();
        for item in [0, 1, 1] {
            builder.push(0, item, 1.0, Preference::Like).unwrap();
        }
        assert_eq!(pairs(builder.build().unwrap().viewers().row(0)), [(0, 1.0), (1, 2.0)]);
    }

    #[test]
    fn a_sum_beyond_f32_is_refused() {
        let mut builder = Builder::default();
        builder.push(0, 2, f32::MAX, Preference::Like).unwrap();
        builder.push(0, 2, f32::MAX, Preference::Like).unwrap();
        assert_eq!(builder.build().unwrap_err(), Error::Overflow { viewer: 0, item: 2 });
    }

    proptest! {
        #[test]
        fn both_directions_hold_the_same_pairs(
            triplets in prop::collection::vec((0u32..8, 0u32..9, prop_oneof![Just(1.0f32), 0.5f32..4.0]), 0..60),
        ) {
            let mut builder = Builder::new(8, 9);
            let mut expected = std::collections::BTreeMap::new();
            for &(viewer, item, weight) in &triplets {
                builder.push(viewer, item, weight, Preference::Like).unwrap();
                *expected.entry((viewer, item)).or_insert(0.0f32) += weight;
            }
            let built = builder.build().unwrap();
            let by_viewer: Vec<_> = (0..8u32).flat_map(|viewer| built.viewers().row(viewer as usize).iter()
                .map(move |(item, value)| ((viewer, item), value)).collect::<Vec<_>>()).collect();
            let mut by_item: Vec<_> = (0..9u32).flat_map(|item| built.items().row(item as usize).iter()
                .map(move |(viewer, value)| ((viewer, item), value)).collect::<Vec<_>>()).collect();
            by_item.sort_by_key(|pair| pair.0);
            prop_assert_eq!(&by_viewer, &expected.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(by_viewer, by_item);
        }
    }
}
