//! The best items of every viewer.

use pulp::Arch;
use rayon::prelude::*;

use crate::kernels::{PADDING, Tile, add_product};
use crate::progress::{Cancelled, Progress};
use crate::{Factors, Rows};

/// Viewers scored at a time.
const VIEWERS: usize = 64;

/// Items scored at a time: 64 x 512 scores are 128 KiB and stay in the second-level cache with the items' vectors.
const ITEMS: usize = 512;

/// An item and its score.
pub type Scored = (u32, f32);

/// Keeps the best `n` of a stream of items; equal scores by smaller item, so the result does not depend on the stream's
/// cuts.
#[derive(Debug)]
pub struct Best {
    n: usize,
    /// At most `4·n`, of which the best `n` survive each pruning.
    kept: Vec<Scored>,
    /// Score of the `n`th best so far. An item that comes later, so with a larger number, has to exceed it.
    threshold: f32,
}

impl Best {
    /// An empty list for the best `n`.
    pub fn new(n: usize) -> Self {
        let threshold = if n == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { n, kept: Vec::with_capacity(4 * n), threshold }
    }

    /// Offers the items `first..`, one score each. Items come in ascending order over all calls; -∞ is never kept.
    pub fn offer(&mut self, first: usize, scores: &[f32]) {
        for (block, scores) in scores.chunks(PADDING).enumerate() {
            let threshold = self.threshold;
            if !scores.iter().fold(false, |any, &score| any | (score > threshold)) {
                continue;
            }
            for (k, &score) in scores.iter().enumerate() {
                if score > self.threshold {
                    self.kept.push(((first + block * PADDING + k) as u32, score));
                    if self.kept.len() == 4 * self.n {
                        self.prune();
                    }
                }
            }
        }
    }

    fn prune(&mut self) {
        if self.kept.len() > self.n {
            self.kept.select_nth_unstable_by(self.n - 1, best_first);
            self.kept.truncate(self.n);
            self.threshold = self.kept[self.n - 1].1;
        }
    }

    /// The best, best first; empties the list for the next viewer.
    pub fn take(&mut self) -> Vec<Scored> {
        self.prune();
        let mut best: Vec<Scored> = self.kept.drain(..).collect();
        best.sort_unstable_by(best_first);
        self.threshold = if self.n == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        best
    }
}

fn best_first(a: &Scored, b: &Scored) -> std::cmp::Ordering {
    // Adding 0 makes 0 of -0, which `total_cmp` would put below it.
    (b.1 + 0.0).total_cmp(&(a.1 + 0.0)).then(a.0.cmp(&b.0))
}

/// The `n` items with the largest dot product for each vector of `viewers`, best first, equal ones by item; without the
/// items of the viewer's row in `exclude`. Calls `each` with (viewer, list), from several threads and in any order, so that
/// a caller can write lists out instead of holding all of them.
///
/// # Errors
/// [`Cancelled`] when the progress says so.
///
/// # Panics
/// Panics when `exclude` has not one row a viewer, or the vectors differ in length.
pub fn for_each(
    viewers: &Factors,
    items: &Factors,
    exclude: &Rows,
    n: usize,
    progress: &dyn Progress,
    each: impl Fn(usize, Vec<Scored>) + Sync,
) -> Result<(), Cancelled> {
    assert_eq!(viewers.rows(), exclude.height(), "one row of excluded items a viewer");
    assert_eq!(viewers.factors(), items.factors(), "vectors of one length");
    let catalogue = Packed::new(items);
    let done = std::sync::atomic::AtomicU64::new(0);
    (0..viewers.rows().div_ceil(VIEWERS)).into_par_iter().try_for_each_init(
        || Scratch::new(items.stride(), n),
        |scratch, block| {
            if progress.cancelled() {
                return Err(Cancelled);
            }
            let block = block * VIEWERS..viewers.rows().min((block + 1) * VIEWERS);
            let count = block.len() as u64;
            catalogue.best(viewers, block, exclude, scratch, &each);
            let done = done.fetch_add(count, std::sync::atomic::Ordering::Relaxed) + count;
            progress.report(done, viewers.rows() as u64);
            Ok(())
        },
    )
}

/// As [`for_each`], all lists in memory.
///
/// # Errors
/// [`Cancelled`] when the progress says so.
pub fn top_n(
    viewers: &Factors,
    items: &Factors,
    exclude: &Rows,
    n: usize,
    progress: &dyn Progress,
) -> Result<Vec<Vec<Scored>>, Cancelled> {
    let lists: Vec<std::sync::Mutex<Vec<Scored>>> = (0..viewers.rows()).map(|_| std::sync::Mutex::default()).collect();
    for_each(viewers, items, exclude, n, progress, |viewer, list| {
        *lists[viewer].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = list;
    })?;
    Ok(lists.into_iter().map(|list| list.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)).collect())
}

/// The items' vectors in panels of 512 items, one factor a row: the layout of the matrix product.
struct Packed {
    arch: Arch,
    items: usize,
    stride: usize,
    values: Vec<f32>,
}

struct Scratch {
    viewers: Vec<f32>,
    scores: Vec<f32>,
    best: Vec<Best>,
    /// How much of each viewer's excluded items lies before the present panel.
    excluded: Vec<usize>,
}

impl Scratch {
    fn new(stride: usize, n: usize) -> Self {
        Self {
            viewers: vec![0.0; VIEWERS * stride],
            scores: vec![0.0; VIEWERS * ITEMS],
            best: (0..VIEWERS).map(|_| Best::new(n)).collect(),
            excluded: vec![0; VIEWERS],
        }
    }
}

impl Packed {
    fn new(items: &Factors) -> Self {
        let stride = items.stride();
        let mut values = vec![0.0; items.rows().div_ceil(ITEMS) * ITEMS * stride];
        values.par_chunks_mut(ITEMS * stride).enumerate().for_each(|(panel, values)| {
            for item in panel * ITEMS..items.rows().min((panel + 1) * ITEMS) {
                for (k, &value) in items.padded_row(item).iter().enumerate() {
                    values[k * ITEMS + item - panel * ITEMS] = value;
                }
            }
        });
        Self { arch: Arch::new(), items: items.rows(), stride, values }
    }

    fn best(
        &self,
        viewers: &Factors,
        block: std::ops::Range<usize>,
        exclude: &Rows,
        scratch: &mut Scratch,
        each: &(impl Fn(usize, Vec<Scored>) + Sync),
    ) {
        scratch.excluded.fill(0);
        for (k, viewer) in block.clone().enumerate() {
            for (factor, &value) in viewers.padded_row(viewer).iter().enumerate() {
                scratch.viewers[factor * VIEWERS + k] = value;
            }
        }
        for (panel, values) in self.values.chunks_exact(ITEMS * self.stride).enumerate() {
            let first = panel * ITEMS;
            let width = ITEMS.min(self.items - first);
            let factors = (Tile { values: &scratch.viewers, stride: VIEWERS }, Tile { values, stride: ITEMS });
            scratch.scores.fill(0.0);
            let size = (block.len().next_multiple_of(8), width.next_multiple_of(PADDING));
            add_product(self.arch, factors, self.stride, &mut scratch.scores, ITEMS, size);
            for (k, viewer) in block.clone().enumerate() {
                let scores = &mut scratch.scores[k * ITEMS..][..width];
                let seen = &exclude.row(viewer).columns[scratch.excluded[k]..];
                let here = seen.iter().take_while(|&&item| (item as usize) < first + width);
                let mut count = 0;
                for &item in here {
                    scores[item as usize - first] = f32::NEG_INFINITY;
                    count += 1;
                }
                scratch.excluded[k] += count;
                scratch.best[k].offer(first, scores);
            }
        }
        for (k, viewer) in block.enumerate() {
            each(viewer, scratch.best[k].take());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::interactions::{Builder, Preference};
    use crate::random::Random;

    fn factors(rows: usize, factors: usize, random: &mut Random) -> Factors {
        let mut matrix = Factors::zeros(rows, factors);
        (0..rows).for_each(|row| matrix.row_mut(row).iter_mut().for_each(|v| *v = (random.next() % 5) as f32 - 2.0));
        matrix
    }

    fn seen(viewers: usize, items: usize, random: &mut Random) -> Rows {
        let mut builder = Builder::new(viewers, items);
        for viewer in 0..viewers as u32 {
            for _ in 0..random.next() % 9 {
                builder.push(viewer, (random.next() % items as u64) as u32, 1.0, Preference::Like).unwrap();
            }
        }
        builder.build().unwrap().viewers().clone()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Small whole numbers: scores are exact and ties abound.
        #[test]
        fn it_equals_sorting_everything(viewers in 1usize..140, items in 1usize..1200, n in 0usize..40, seed in any::<u64>()) {
            let mut random = Random::new(seed);
            let (u, h) = (factors(viewers, 5, &mut random), factors(items, 5, &mut random));
            let seen = seen(viewers, items, &mut random);
            let lists = top_n(&u, &h, &seen, n, &()).unwrap();
            for (viewer, list) in lists.iter().enumerate() {
                let mut all: Vec<Scored> = (0..items as u32)
                    .filter(|item| !seen.row(viewer).columns.contains(item))
                    .map(|item| (item, u.row(viewer).iter().zip(h.row(item as usize)).map(|(a, b)| a * b).sum()))
                    .collect();
                all.sort_by(best_first);
                all.truncate(n);
                prop_assert_eq!(list, &all);
            }
        }
    }

    #[test]
    fn equal_scores_are_ordered_by_item() {
        let lists =
            top_n(&Factors::zeros(1, 3), &Factors::zeros(2_000, 3), &seen(1, 2_000, &mut Random::new(0)), 5, &());
        let items: Vec<u32> = lists.unwrap()[0].iter().map(|scored| scored.0).collect();
        assert!(items.is_sorted() && items[4] < 20, "{items:?}");
    }

    #[test]
    fn zeros_of_either_sign_are_equal() {
        let mut scored = [(2, 0.0), (1, -0.0), (0, 0.0)];
        scored.sort_by(best_first);
        assert_eq!(scored.map(|(item, _)| item), [0, 1, 2]);
    }

    #[test]
    fn a_viewer_who_saw_everything_gets_an_empty_list() {
        let mut builder = Builder::new(1, 3);
        (0..3).for_each(|item| builder.push(0, item, 1.0, Preference::Like).unwrap());
        let seen = builder.build().unwrap();
        assert_eq!(top_n(&Factors::zeros(1, 2), &Factors::zeros(3, 2), seen.viewers(), 2, &()).unwrap(), [vec![]]);
    }
}
