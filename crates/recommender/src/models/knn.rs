use rayon::prelude::*;

use super::Recommender;
use crate::interactions::{Interactions, Row};
use crate::top_n::Best;

/// How two items' viewers are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Similarity {
    /// Cosine of the items' rows of likes.
    Cosine,
    /// Dot product of rows weighted by BM25, an item as the document and a viewer as the term (Robertson and Walker 1994,
    /// as `implicit` applies it): viewers of many items say less, and so do viewers of crowded items.
    Bm25 {
        /// Saturation of repeated views.
        k1: f32,
        /// Strength of the length normalisation, 0 to 1.
        b: f32,
    },
}

/// Item-based nearest neighbours: an item's score is the sum of its similarities to the history's items.
#[derive(Debug, Clone, PartialEq)]
pub struct Knn {
    items: usize,
    /// The `neighbours` most similar items of each item (itself included), best first.
    similar: Vec<Vec<(u32, f32)>>,
}

impl Knn {
    /// Keeps `neighbours` items an item. Dislikes are left out. Time is the sum over viewers of their squared history
    /// lengths; memory a row of scores a thread.
    pub fn new(interactions: &Interactions, similarity: Similarity, neighbours: usize) -> Self {
        let items = interactions.items().height();
        let weights = Weights::new(interactions, similarity);
        let similar = (0..items)
            .into_par_iter()
            .map_init(
                || (vec![0.0f32; items], Best::new(neighbours)),
                |(scores, best), item| {
                    scores.fill(0.0);
                    let row = interactions.items().row(item);
                    for (viewer, value) in row.iter().filter(|pair| pair.1 > 0.0) {
                        let weight = weights.of(item, viewer as usize, value);
                        let others = interactions.viewers().row(viewer as usize);
                        for (other, value) in others.iter().filter(|pair| pair.1 > 0.0) {
                            scores[other as usize] += weight * weights.of(other as usize, viewer as usize, value);
                        }
                    }
                    scores.iter_mut().filter(|score| **score <= 0.0).for_each(|score| *score = f32::NEG_INFINITY);
                    best.offer(0, scores);
                    best.take()
                },
            )
            .collect();
        Self { items, similar }
    }
}

struct Weights {
    similarity: Similarity,
    /// Cosine: the item's inverse norm. BM25: the item's `k1·(1 - b + b·length/average)`.
    items: Vec<f32>,
    /// BM25: the viewer's inverse frequency, `ln(items) - ln(1 + length)`.
    viewers: Vec<f32>,
}

impl Weights {
    fn new(interactions: &Interactions, similarity: Similarity) -> Self {
        let (by_item, by_viewer) = (interactions.items(), interactions.viewers());
        let likes = |row: Row<'_>| row.iter().map(|(_, value)| value.max(0.0)).collect::<Vec<f32>>();
        let sums: Vec<f32> = (0..by_item.height()).map(|item| likes(by_item.row(item)).iter().sum()).collect();
        let items = match similarity {
            Similarity::Cosine => (0..by_item.height())
                .map(|item| {
                    likes(by_item.row(item)).iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE).recip()
                })
                .collect(),
            Similarity::Bm25 { k1, b } => {
                let average = sums.iter().sum::<f32>() / sums.len().max(1) as f32;
                sums.iter().map(|sum| k1 * (1.0 - b + b * sum / average.max(f32::MIN_POSITIVE))).collect()
            }
        };
        let viewers = (0..by_viewer.height())
            .map(|viewer| {
                let length = likes(by_viewer.row(viewer)).iter().filter(|value| **value > 0.0).count();
                (by_item.height() as f32).ln() - (length as f32).ln_1p()
            })
            .collect();
        Self { similarity, items, viewers }
    }

    fn of(&self, item: usize, viewer: usize, value: f32) -> f32 {
        match self.similarity {
            Similarity::Cosine => value * self.items[item],
            Similarity::Bm25 { k1, .. } => value * (k1 + 1.0) / (self.items[item] + value) * self.viewers[viewer],
        }
    }
}

impl Recommender for Knn {
    fn items(&self) -> usize {
        self.items
    }

    fn score(&self, history: Row<'_>, scores: &mut [f32]) {
        scores.fill(0.0);
        for (item, value) in history.iter() {
            for &(other, similarity) in &self.similar[item as usize] {
                scores[other as usize] += value * similarity;
            }
        }
        scores.iter_mut().filter(|score| **score <= 0.0).for_each(|score| *score = f32::NEG_INFINITY);
    }
}
