use super::Recommender;
use crate::interactions::Row;

/// A weighted sum of models' scores, each standardised over the viewer's unseen items, so that scales do not matter.
pub struct Blend<M> {
    parts: Vec<(f32, M)>,
}

impl<M: Recommender> Blend<M> {
    /// The parts and their weights.
    ///
    /// # Panics
    /// Panics without parts, or when they differ in their number of items.
    pub fn new(parts: Vec<(f32, M)>) -> Self {
        assert!(!parts.is_empty(), "a blend has parts");
        assert!(parts.iter().all(|part| part.1.items() == parts[0].1.items()), "parts score the same items");
        Self { parts }
    }
}

impl<M: Recommender> Recommender for Blend<M> {
    fn items(&self) -> usize {
        self.parts[0].1.items()
    }

    /// An item that one part does not rank gets that part's worst score, and -∞ only where no part ranks it.
    fn score(&self, history: Row<'_>, scores: &mut [f32]) {
        let mut part_scores = vec![0.0; scores.len()];
        let mut ranked = vec![false; scores.len()];
        scores.fill(0.0);
        for (weight, part) in &self.parts {
            part.score(history, &mut part_scores);
            ranked.iter_mut().zip(&part_scores).for_each(|(ranked, score)| *ranked |= score.is_finite());
            standardise(history, &mut part_scores);
            scores.iter_mut().zip(&part_scores).for_each(|(sum, score)| *sum += weight * score);
        }
        scores.iter_mut().zip(ranked).filter(|pair| !pair.1).for_each(|pair| *pair.0 = f32::NEG_INFINITY);
    }
}

/// A model's scores as a blend takes them, for a blend of models that all rank every item.
pub(crate) fn standardised<M: Recommender>(model: &M, history: Row<'_>) -> Vec<f32> {
    let mut scores = vec![0.0; model.items()];
    model.score(history, &mut scores);
    standardise(history, &mut scores);
    scores
}

/// To mean 0 and deviation 1 over unseen items.
fn standardise(history: Row<'_>, scores: &mut [f32]) {
    let worst = scores.iter().copied().filter(|score| score.is_finite()).fold(f32::INFINITY, f32::min);
    let worst = if worst.is_finite() { worst } else { 0.0 };
    scores.iter_mut().filter(|score| !score.is_finite()).for_each(|score| *score = worst);
    let unseen = (scores.len() - history.len()).max(1) as f64;
    let seen =
        |power: i32| -> f64 { history.columns.iter().map(|&item| f64::from(scores[item as usize]).powi(power)).sum() };
    let all = |power: i32| -> f64 { scores.iter().map(|&score| f64::from(score).powi(power)).sum() };
    let mean = (all(1) - seen(1)) / unseen;
    let variance = ((all(2) - seen(2)) / unseen - mean * mean).max(0.0);
    let scale = if variance > 0.0 { variance.sqrt().recip() } else { 0.0 };
    scores.iter_mut().for_each(|score| *score = ((f64::from(*score) - mean) * scale) as f32);
}
