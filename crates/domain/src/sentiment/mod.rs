//! Sentiment: of one review by a lexicon, of many by their mean (seed 1, section 3.1; DESIGN.md section 4).

mod lexicon;
pub mod merged;

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::hours::Hour;

pub use lexicon::Lexicon;

/// A score above this is positive, below its negative negative (seed 1, section 2.2).
pub const LABEL_THRESHOLD: f64 = 0.3;

/// Half-width of a 95 % interval in standard errors.
const Z_95: f64 = 1.96;

/// The class of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    Positive,
    Neutral,
    Negative,
}

impl Label {
    /// The label of a score from -1 to 1; the thresholds themselves are neutral.
    pub fn of(score: f64) -> Self {
        if score > LABEL_THRESHOLD {
            Self::Positive
        } else if score < -LABEL_THRESHOLD {
            Self::Negative
        } else {
            Self::Neutral
        }
    }

    /// The word in bodies and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Neutral => "neutral",
            Self::Negative => "negative",
        }
    }
}

/// One review's score, -1 to 1, in steps of 1/16384: finer than the four decimals that the lexicon means, and coarse
/// enough that sums of thirty million scores and of their squares are exact in any order. Hence an hour built up by
/// deltas equals the hour recomputed.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Score(f32);

impl Score {
    const STEPS: f64 = 16_384.0;

    /// Rounds to the nearest step; what lies outside is clamped, and what is no number is neutral.
    pub fn new(raw: f64) -> Self {
        let raw = if raw.is_nan() { 0.0 } else { raw.clamp(-1.0, 1.0) };
        Self(((raw * Self::STEPS).round() / Self::STEPS) as f32)
    }

    /// From -1 to 1.
    pub fn get(self) -> f64 {
        f64::from(self.0)
    }

    /// As stored.
    pub fn real(self) -> f32 {
        self.0
    }

    /// See [`Label::of`].
    pub fn label(self) -> Label {
        Label::of(self.get())
    }
}

/// The reviews of a movie in a span of time, added up. Adding two tallies weighs each mean by its review count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Of the scores.
    pub sum: f64,
    /// Of the scores' squares, for the spread.
    pub sum_squares: f64,
    pub positive: i64,
    pub negative: i64,
    pub neutral: i64,
}

impl Tally {
    /// Counts one review.
    pub fn add(&mut self, score: Score) {
        self.sum += score.get();
        self.sum_squares += score.get() * score.get();
        match score.label() {
            Label::Positive => self.positive += 1,
            Label::Negative => self.negative += 1,
            Label::Neutral => self.neutral += 1,
        }
    }

    /// Reviews.
    pub fn count(&self) -> i64 {
        self.positive + self.negative + self.neutral
    }

    /// The mean score; `None` without reviews.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum / self.count() as f64)
    }

    /// Confidence in the mean, 0 to 1: one minus the half-width of its 95 % interval, z·s/√n, which is at most 1 on a scale
    /// from -1 to 1. Few reviews say little about their own spread (one says nothing), so the variance counts one more
    /// observation at the largest distance from the mean, 1: s² = (Σ(x - mean)² + 1) / n. So one review gives 0, a
    /// hundred that agree 0.98, a hundred that are split evenly between -1 and 1 0.80.
    ///
    /// The normal interval of a mean as in any textbook; the pseudo-observation is the idea of Agresti and Coull
    /// (The American Statistician 52, 1998), who add some to a proportion for the same reason.
    pub fn confidence(&self) -> f64 {
        let Some(mean) = self.mean() else { return 0.0 };
        let n = self.count() as f64;
        let squares = (self.sum_squares - n * mean * mean).max(0.0);
        let standard_error = ((squares + 1.0) / n / n).sqrt();
        (1.0 - Z_95 * standard_error).clamp(0.0, 1.0)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.sum += other.sum;
        self.sum_squares += other.sum_squares;
        self.positive += other.positive;
        self.negative += other.negative;
        self.neutral += other.neutral;
    }
}

/// How fast sentiment changes, in score per hour: the slope of the line through the hourly means that fits best by least
/// squares, each hour weighed by its review count. 0 where fewer than two hours have reviews.
pub fn velocity(hours: &[(Hour, Tally)]) -> f64 {
    let Some(first) = hours.iter().map(|(hour, _)| hour.start()).min() else { return 0.0 };
    let at = |hour: Hour| (hour.start() - first).num_hours() as f64;
    let points = || hours.iter().filter_map(|(hour, tally)| Some((at(*hour), tally.mean()?, tally.count() as f64)));
    let weight: f64 = points().map(|(.., w)| w).sum();
    if weight == 0.0 {
        return 0.0;
    }
    let mean_at = points().map(|(x, _, w)| x * w).sum::<f64>() / weight;
    let mean = points().map(|(_, y, w)| y * w).sum::<f64>() / weight;
    let spread: f64 = points().map(|(x, _, w)| w * (x - mean_at) * (x - mean_at)).sum();
    let together: f64 = points().map(|(x, y, w)| w * (x - mean_at) * (y - mean)).sum();
    if spread > 0.0 { together / spread } else { 0.0 }
}

#[cfg(test)]
mod tests;
