use std::fmt;

use crate::{Interactions, Rows};

/// A metric of one list against the viewer's held-out items; the number is the depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Hits by the smaller of depth and held-out items (Liang et al. 2018), so 1 is always possible.
    Recall(usize),
    /// 1 with a hit, else 0.
    HitRate(usize),
    /// Discounted gain `Σ 1/log2(rank + 1)` of the hits by that of the best list.
    Ndcg(usize),
    /// Average precision: the precision at each hit's rank, summed, by the smaller of depth and held-out items.
    AveragePrecision(usize),
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recall(k) => write!(f, "Recall@{k}"),
            Self::HitRate(k) => write!(f, "HR@{k}"),
            Self::Ndcg(k) => write!(f, "NDCG@{k}"),
            Self::AveragePrecision(k) => write!(f, "MAP@{k}"),
        }
    }
}

impl Metric {
    /// The metric of each viewer; 0 for a viewer without held-out items.
    ///
    /// # Panics
    /// Panics when there is not one list a row of `held`.
    pub fn of(self, lists: &[Vec<u32>], held: &Rows) -> Vec<f64> {
        assert_eq!(lists.len(), held.height(), "one list a viewer");
        lists.iter().enumerate().map(|(viewer, list)| self.one(list, held.row(viewer).columns)).collect()
    }

    fn one(self, list: &[u32], held: &[u32]) -> f64 {
        let (Self::Recall(k) | Self::HitRate(k) | Self::Ndcg(k) | Self::AveragePrecision(k)) = self;
        let possible = k.min(held.len());
        if possible == 0 {
            return 0.0;
        }
        let ranks =
            list.iter().take(k).enumerate().filter(|(_, item)| held.binary_search(item).is_ok()).map(|(i, _)| i);
        match self {
            Self::Recall(_) => ranks.count() as f64 / possible as f64,
            Self::HitRate(_) => f64::from(u8::from(ranks.count() > 0)),
            Self::Ndcg(_) => ranks.map(discount).sum::<f64>() / (0..possible).map(discount).sum::<f64>(),
            Self::AveragePrecision(_) => {
                ranks.enumerate().map(|(hits, rank)| (hits + 1) as f64 / (rank + 1) as f64).sum::<f64>()
                    / possible as f64
            }
        }
    }
}

fn discount(rank: usize) -> f64 {
    ((rank + 2) as f64).log2().recip()
}

/// What a model's lists do to the catalogue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Catalogue {
    /// Share of the items that occur in some list.
    pub coverage: f64,
    /// Gini coefficient of the items' numbers of occurrences: 0 all equal, near 1 all on a few.
    pub gini: f64,
    /// Mean self-information `-log2(viewers of the item / viewers)` of the listed items in bits (Vargas and Castells 2011);
    /// an item that nobody has watched counts as watched once.
    pub novelty: f64,
}

/// Coverage, concentration and novelty of lists cut at `depth`.
pub fn catalogue(lists: &[Vec<u32>], depth: usize, train: &Interactions) -> Catalogue {
    let items = train.items().height();
    let viewers = train.viewers().height().max(1) as f64;
    let mut counts = vec![0u64; items];
    let mut bits = 0.0;
    for &item in lists.iter().flat_map(|list| list.iter().take(depth)) {
        counts[item as usize] += 1;
        bits -= (train.items().row(item as usize).len().max(1) as f64 / viewers).log2();
    }
    counts.sort_unstable();
    let total = counts.iter().sum::<u64>().max(1) as f64;
    let ranked: f64 = counts.iter().zip(1u64..).map(|(&count, rank)| count as f64 * rank as f64).sum();
    let size = items.max(1) as f64;
    Catalogue {
        coverage: counts.iter().filter(|&&count| count > 0).count() as f64 / size,
        gini: 2.0 * ranked / (size * total) - (size + 1.0) / size,
        novelty: bits / total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interactions::{Builder, Preference};

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn metrics_on_paper() {
        let list = [7, 3, 9, 1];
        let held = [1, 3, 5];
        close(Metric::Recall(2).one(&list, &held), 0.5);
        close(Metric::Recall(4).one(&list, &held), 2.0 / 3.0);
        close(Metric::HitRate(1).one(&list, &held), 0.0);
        close(Metric::HitRate(2).one(&list, &held), 1.0);
        let ideal = 1.0 + 1.0 / 3f64.log2() + 0.5;
        close(Metric::Ndcg(4).one(&list, &held), (1.0 / 3f64.log2() + 1.0 / 5f64.log2()) / ideal);
        close(Metric::AveragePrecision(4).one(&list, &held), (1.0 / 2.0 + 2.0 / 4.0) / 3.0);
        close(Metric::Ndcg(4).one(&list, &[]), 0.0);
        assert_eq!(Metric::Recall(20).to_string(), "Recall@20");
    }

    #[test]
    fn the_catalogue_on_paper() {
        let mut builder = Builder::new(4, 4);
        for (viewer, item) in [(0, 0), (1, 0), (0, 1)] {
            builder.push(viewer, item, 1.0, Preference::Like).unwrap();
        }
        let train = builder.build().unwrap();
        let all = catalogue(&[vec![0, 1, 2, 3], vec![3, 2, 1, 0]], 4, &train);
        close(all.coverage, 1.0);
        close(all.gini, 0.0);
        close(all.novelty, (1.0 + 2.0 + 2.0 + 2.0) / 4.0);
        let one = catalogue(&[vec![0, 1], vec![0, 2]], 1, &train);
        close(one.coverage, 0.25);
        close(one.gini, 0.75);
    }
}
