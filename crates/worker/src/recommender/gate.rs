//! The gate: a model becomes active unless it is shown to be worse than the active one.

use ::recommender::evaluation::Interval;
use serde_json::{Value, json};

/// Fewest viewers by whom two models are compared: with fewer the interval says nothing.
pub(crate) const VIEWERS_MIN: usize = 20;

/// The paired difference of NDCG to the active model, over the same viewers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Comparison {
    /// The active model's files cannot be read.
    Unreadable(String),
    /// No model is active.
    NoneActive,
    /// Too few held-out viewers.
    TooFew(usize),
    /// New minus active.
    Paired { difference: Interval, viewers: usize },
}

impl Comparison {
    /// Why the model is refused; `None`: it passes.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Paired { difference, viewers } if difference.high < 0.0 => Some(format!(
                "worse than the active model: NDCG {:+.4} [{:+.4}, {:+.4}] over {viewers} viewers",
                difference.mean, difference.low, difference.high
            )),
            _ => None,
        }
    }

    /// Why it passes, for an operator.
    pub fn passed(&self) -> String {
        match self {
            Self::NoneActive => "the first model".to_owned(),
            Self::Unreadable(error) => format!("not compared with the active model, which cannot be read: {error}"),
            Self::TooFew(viewers) => {
                format!("not compared with the active model: {viewers} held-out viewers, {VIEWERS_MIN} are needed")
            }
            Self::Paired { difference, viewers } => format!(
                "not worse than the active model: NDCG {:+.4} [{:+.4}, {:+.4}] over {viewers} viewers",
                difference.mean, difference.low, difference.high
            ),
        }
    }
}

/// An interval as the registry and the API show it.
pub(crate) fn shown(interval: Interval) -> Value {
    let Interval { mean, low, high } = interval;
    json!({ "mean": mean, "low": low, "high": high })
}

/// "Is it good?", in a sentence: against popularity and kNN.
pub(crate) fn in_words(to_popularity: Interval, to_knn: Interval, viewers: usize) -> String {
    if viewers < VIEWERS_MIN {
        return format!("Not known: {viewers} held-out viewers with enough likes; {VIEWERS_MIN} are needed.");
    }
    let against = |difference: Interval, what: &str| match difference {
        Interval { low, .. } if low > 0.0 => format!("better than {what}"),
        Interval { high, .. } if high < 0.0 => format!("worse than {what}"),
        _ => format!("not told apart from {what}"),
    };
    let verdict = match (to_popularity.low > 0.0, to_knn.high < 0.0) {
        (true, false) => "Yes",
        _ => "No",
    };
    format!(
        "{verdict}: {} (NDCG {:+.4}) and {} (NDCG {:+.4}), over {viewers} viewers that it was not trained on.",
        against(to_popularity, "popularity"),
        to_popularity.mean,
        against(to_knn, "kNN"),
        to_knn.mean
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, high: f64) -> Interval {
        Interval { mean: (low + high) / 2.0, low, high }
    }

    #[test]
    fn only_what_is_shown_to_be_worse_is_refused() {
        let refused =
            |low, high| Comparison::Paired { difference: interval(low, high), viewers: 50 }.refusal().is_some();
        assert!(refused(-0.02, -0.001));
        assert!(!refused(-0.02, 0.0), "chance may explain it");
        assert!(!refused(-0.02, 0.01) && !refused(0.01, 0.02));
        assert_eq!(Comparison::NoneActive.refusal(), None);
        assert_eq!(Comparison::TooFew(19).refusal(), None);
    }

    #[test]
    fn the_words_say_what_the_intervals_say() {
        let words = |popularity, knn, viewers| in_words(popularity, knn, viewers);
        let (better, same, worse) = (interval(0.01, 0.02), interval(-0.01, 0.02), interval(-0.02, -0.01));
        assert!(words(better, same, 100).starts_with("Yes: better than popularity"));
        assert!(words(same, same, 100).starts_with("No: not told apart from popularity"));
        assert!(words(better, worse, 100).contains("worse than kNN"));
        assert!(words(better, better, 3).starts_with("Not known: 3 held-out viewers"));
    }
}
