//! Forecasts of popularity and trending rank: the input series, and the score of a back-test.
//!
//! The exponential smoothing itself is done by a library (worker, `jobs/predictions`). This module prepares the daily
//! series, estimates the weekly seasonality that is removed before smoothing, and compares the back-test with the naive
//! forecast ("the value does not change").

mod series;

use serde::{Deserialize, Serialize};

use crate::MovieId;

pub use series::{Week, daily};

/// Length of a forecast in days.
pub const HORIZON_DAYS: usize = 14;

/// Days of history that a forecast uses: smoothing forgets within weeks, and the fitting time grows with each day.
pub const HISTORY_DAYS: usize = 60;

/// Upper bound on the movies that are forecast, the most popular first: it bounds a run over a million movies.
pub const MOVIES_FORECAST: usize = 50_000;

/// Nominal coverage of the interval: it should contain four of five outcomes.
pub const INTERVAL_SHARE: f64 = 0.8;

/// Number of past days from which the back-test forecasts up to the present.
pub const BACKTEST_DAYS: usize = HORIZON_DAYS;

/// Movies in the back-test, a systematic sample of all: it determines the errors to three digits within a minute of
/// computing.
pub const BACKTEST_MOVIES: usize = 2_000;

/// Forecast horizon in days, 1 to [`HORIZON_DAYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Horizon(u8);

impl Horizon {
    /// The default horizon: a week.
    pub const WEEK: Self = Self(7);

    /// The horizon in days.
    pub fn get(self) -> i16 {
        i16::from(self.0)
    }
}

impl Default for Horizon {
    fn default() -> Self {
        Self::WEEK
    }
}

impl TryFrom<String> for Horizon {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let days = text.strip_suffix('d').unwrap_or(&text);
        match days.parse::<u8>() {
            Ok(n) if (1..=HORIZON_DAYS).contains(&usize::from(n)) && days.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self(n))
            }
            _ => Err(format!("must be days, from 1 to {HORIZON_DAYS}")),
        }
    }
}

impl From<Horizon> for String {
    fn from(horizon: Horizon) -> Self {
        horizon.0.to_string()
    }
}

/// A forecast value, and the interval that should contain the outcome in [`INTERVAL_SHARE`] of cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Back-test of one horizon, against the naive forecast.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Score {
    pub forecasts: i64,
    /// Sum of absolute errors.
    pub error: f64,
    /// Sum of the naive forecast's absolute errors.
    pub naive_error: f64,
    /// Number of outcomes within the interval.
    pub within: i64,
}

impl Score {
    /// Adds one forecast; `naive` is the value on the day when it was made.
    pub fn add(&mut self, forecast: Estimate, naive: f64, actual: f64) {
        self.forecasts += 1;
        self.error += (forecast.value - actual).abs();
        self.naive_error += (naive - actual).abs();
        self.within += i64::from((forecast.low..=forecast.high).contains(&actual));
    }

    /// Mean absolute error; `None` before the first forecast.
    pub fn mae(&self) -> Option<f64> {
        (self.forecasts > 0).then(|| self.error / self.forecasts as f64)
    }

    /// Mean absolute error of the naive forecast, the baseline of [`skill`]; `None` before the first forecast.
    pub fn naive_mae(&self) -> Option<f64> {
        (self.forecasts > 0).then(|| self.naive_error / self.forecasts as f64)
    }

    /// Share of outcomes within the interval, 0 to 1; should be near [`INTERVAL_SHARE`]. `None` before the first
    /// forecast.
    pub fn coverage(&self) -> Option<f64> {
        (self.forecasts > 0).then(|| self.within as f64 / self.forecasts as f64)
    }
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.forecasts += other.forecasts;
        self.error += other.error;
        self.naive_error += other.naive_error;
        self.within += other.within;
    }
}

/// Skill score: 1 is a perfect forecast, 0 is as good as the naive one, below 0 is worse. `None` where the naive
/// forecast has no error because nothing changed.
pub fn skill(mae: f64, naive_mae: f64) -> Option<f64> {
    (naive_mae > 0.0).then(|| 1.0 - mae / naive_mae)
}

/// Ranks by score from 1, the highest score first, in the order of `scores`; equal scores rank by movie id.
pub fn ranks(scores: &[(MovieId, f64)]) -> Vec<i32> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| {
        let ((id_a, a), (id_b, b)) = (scores[*a], scores[*b]);
        b.total_cmp(&a).then(id_a.cmp(&id_b))
    });
    let mut ranks = vec![0; scores.len()];
    for (rank, movie) in (1..).zip(order) {
        ranks[movie] = rank;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn horizons_are_one_to_fourteen_days() {
        assert_eq!(Horizon::try_from("7".to_owned()).map(Horizon::get), Ok(7));
        assert_eq!(Horizon::try_from("14d".to_owned()).map(Horizon::get), Ok(14));
        for bad in ["0", "15", "", "d", "+1", "-1", "1.5", "7h", "999"] {
            assert!(Horizon::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_score_compares_with_the_naive_forecast() {
        let mut score = Score::default();
        assert_eq!((score.mae(), score.coverage()), (None, None));
        score.add(Estimate { value: 11.0, low: 10.5, high: 11.5 }, 10.0, 12.0);
        score.add(Estimate { value: 5.0, low: 4.0, high: 6.0 }, 5.0, 6.0);
        assert_eq!((score.mae(), score.naive_mae(), score.coverage()), (Some(1.0), Some(1.5), Some(0.5)));
        assert!((skill(1.0, 1.5).unwrap() - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(skill(0.0, 0.0), None);
    }

    proptest! {
        #[test]
        fn ranks_are_the_places_of_a_sorted_list(scores in prop::collection::vec(0u8..5, 0..50)) {
            let scores: Vec<_> = (1..).zip(&scores).map(|(id, s)| (MovieId::new(id).unwrap(), f64::from(*s))).collect();
            let ranks = ranks(&scores);
            let mut placed: Vec<_> = ranks.iter().zip(&scores).collect();
            placed.sort_by_key(|(rank, _)| **rank);
            prop_assert!(placed.iter().zip(1..).all(|((rank, _), place)| **rank == place));
            prop_assert!(placed.windows(2).all(|w| w[0].1.1 > w[1].1.1 || (w[0].1.1 == w[1].1.1 && w[0].1.0 < w[1].1.0)));
        }
    }
}
