//! Sentiment: the score of one review by a lexicon, and the mean of many (seed 1, section 3.1; DESIGN.md section 4).

mod lexicon;
pub mod merged;

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::hours::Hour;

pub use lexicon::{Assessment, Lexicon, Note};

/// A score above this is positive, a score below its negative is negative (seed 1, section 2.2).
pub const LABEL_THRESHOLD: f64 = 0.3;

/// Half-width of a 95 % interval, in standard errors.
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
    /// The label of a score from -1 to 1; a score exactly at a threshold is neutral.
    pub fn of(score: f64) -> Self {
        if score > LABEL_THRESHOLD {
            Self::Positive
        } else if score < -LABEL_THRESHOLD {
            Self::Negative
        } else {
            Self::Neutral
        }
    }

    /// The label's name in JSON bodies and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Neutral => "neutral",
            Self::Negative => "negative",
        }
    }
}

/// One review's score, -1 to 1, in steps of 1/16384. The steps are finer than the lexicon's four decimals, and coarse
/// enough that sums of thirty million scores and of their squares are exact in any order. Therefore an hour that was
/// built from deltas equals the hour recomputed.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Score(f32);

impl Score {
    const STEPS: f64 = 16_384.0;

    /// Rounds to the nearest step; values outside -1 to 1 are clamped, and NaN becomes 0.
    pub fn new(raw: f64) -> Self {
        let raw = if raw.is_nan() { 0.0 } else { raw.clamp(-1.0, 1.0) };
        Self(((raw * Self::STEPS).round() / Self::STEPS) as f32)
    }

    /// The score, -1 to 1.
    pub fn get(self) -> f64 {
        f64::from(self.0)
    }

    /// The score as it is stored, in single precision, without loss.
    pub fn real(self) -> f32 {
        self.0
    }

    /// The score's label, see [`Label::of`].
    pub fn label(self) -> Label {
        Label::of(self.get())
    }
}

/// Sums over a movie's reviews in a span of time. Adding two tallies weights each mean by its number of reviews.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Sum of the scores.
    pub sum: f64,
    /// Sum of the squared scores, for the variance.
    pub sum_squares: f64,
    pub positive: i64,
    pub negative: i64,
    pub neutral: i64,
}

impl Tally {
    /// Adds one review.
    pub fn add(&mut self, score: Score) {
        self.sum += score.get();
        self.sum_squares += score.get() * score.get();
        match score.label() {
            Label::Positive => self.positive += 1,
            Label::Negative => self.negative += 1,
            Label::Neutral => self.neutral += 1,
        }
    }

    /// Takes out one review that was added before.
    pub fn remove(&mut self, score: Score) {
        self.sum -= score.get();
        self.sum_squares -= score.get() * score.get();
        match score.label() {
            Label::Positive => self.positive -= 1,
            Label::Negative => self.negative -= 1,
            Label::Neutral => self.neutral -= 1,
        }
    }

    /// Number of reviews.
    pub fn count(&self) -> i64 {
        self.positive + self.negative + self.neutral
    }

    /// The mean score, -1 to 1; `None` without reviews.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum / self.count() as f64)
    }

    /// Confidence in the mean, 0 to 1: one minus the half-width of its 95 % interval, z·s/√n, which is at most 1 on a
    /// scale from -1 to 1. Few reviews tell little about their variance (one tells nothing), so the variance includes
    /// one pseudo-observation at the largest distance from the mean, 1: s² = (Σ(x - mean)² + 1) / n. So one review
    /// gives 0, a hundred equal reviews 0.98, a hundred split evenly between -1 and 1 0.80.
    ///
    /// The interval is the normal interval of a mean; the pseudo-observation follows Agresti and Coull (The American
    /// Statistician 52, 1998), who add some to a proportion for the same reason.
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

/// Velocity of sentiment in score per hour: the slope of the weighted least-squares line through the hourly means, each
/// hour weighted by its number of reviews. 0 where fewer than two hours have reviews.
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
