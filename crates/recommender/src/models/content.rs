use super::Recommender;
use crate::interactions::{Row, Rows};

/// Items by the cosine of their content with the summed content of the history; features weigh their inverse document
/// frequency. What there is without anybody's behaviour, so the baseline for items that nobody knows yet.
#[derive(Debug, Clone, PartialEq)]
pub struct ContentProfile {
    content: Rows,
    /// `ln(items / items with the feature)`.
    weights: Vec<f32>,
    /// Each item's reciprocal length, 0 without features.
    scales: Vec<f32>,
}

impl ContentProfile {
    /// `content` has one row of features an item.
    pub fn new(content: Rows) -> Self {
        let mut weights = vec![0f32; content.width()];
        (0..content.height()).flat_map(|item| content.row(item).columns).for_each(|&f| weights[f as usize] += 1.0);
        let items = content.height() as f32;
        weights.iter_mut().filter(|count| **count > 0.0).for_each(|count| *count = (items / *count).ln());
        let length = |item: usize| -> f32 {
            content.row(item).iter().map(|(f, value)| (value * weights[f as usize]).powi(2)).sum::<f32>().sqrt()
        };
        let scale = |length: f32| if length > 0.0 { length.recip() } else { 0.0 };
        let scales = (0..content.height()).map(|item| scale(length(item))).collect();
        Self { content, weights, scales }
    }
}

impl Recommender for ContentProfile {
    fn items(&self) -> usize {
        self.content.height()
    }

    fn score(&self, history: Row<'_>, scores: &mut [f32]) {
        let mut profile = vec![0f32; self.content.width()];
        for (item, weight) in history.iter() {
            let scale = weight * self.scales[item as usize];
            for (feature, value) in self.content.row(item as usize).iter() {
                profile[feature as usize] += scale * value * self.weights[feature as usize].powi(2);
            }
        }
        for (item, score) in scores.iter_mut().enumerate() {
            let sum: f32 = self.content.row(item).iter().map(|(f, value)| value * profile[f as usize]).sum();
            *score = self.scales[item] * sum;
        }
    }
}
