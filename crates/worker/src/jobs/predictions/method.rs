//! The forecast of one movie: exponential smoothing of its popularity after removing the weekly seasonality.
//!
//! The model is fitted to logarithms, since changes are proportional to popularity and popularity is never negative. It
//! is simple smoothing or a damped trend, whichever explains the movie's days better for its number of parameters
//! (AICc). Both extrapolate cautiously: the first stays level, the second flattens out.

use std::array::from_fn;

use augurs_core::Predict;
use augurs_ets::model::{ErrorComponent, Model, ModelType, SeasonalComponent, TrendComponent, Unfit};
use chrono::{NaiveDate, TimeDelta};
use domain::predictions::{Estimate, HORIZON_DAYS, INTERVAL_SHARE, Week};

/// Fewest days for a fit: with fewer a model has too many parameters, and the forecast stays level.
const FIT_DAYS_MIN: usize = 10;

/// Standard errors to each side that contain [`INTERVAL_SHARE`] of a normal distribution.
const Z: f64 = 1.2816;

/// The parameters shared by all movies, and the day from which forecasts are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Method {
    week: Week,
    /// Standard deviation of the logarithm's daily step: gives the interval where a movie's own days are too few.
    step: f64,
    /// Factor of the model's interval at each horizon that gives the nominal coverage: models ignore the uncertainty of
    /// their own parameters, so their intervals are too narrow.
    widen: [f64; HORIZON_DAYS],
    /// The day of each series' last value.
    until: NaiveDate,
}

impl Method {
    /// Estimates the shared parameters from daily series that all end with `until`.
    pub(super) fn learn<'a>(series: impl Iterator<Item = &'a [f64]> + Clone, until: NaiveDate) -> Self {
        let method = Self { week: Week::learn(series.clone(), until), step: 0.0, widen: [1.0; HORIZON_DAYS], until };
        let (mut squares, mut steps) = (0.0, 0_u64);
        for values in series {
            for pair in method.scaled(values).windows(2) {
                squares += (pair[1] - pair[0]).powi(2);
                steps += 1;
            }
        }
        Self { step: if steps > 0 { (squares / steps as f64).sqrt() } else { 0.0 }, ..method }
    }

    /// The same parameters, with forecasts from another day.
    pub(super) fn on(self, until: NaiveDate) -> Self {
        Self { until, ..self }
    }

    pub(super) fn widened(self, widen: [f64; HORIZON_DAYS]) -> Self {
        Self { widen, ..self }
    }

    /// The forecast of the days after `until`, nearest first. `values` must not be empty.
    pub(super) fn forecast(&self, values: &[f64]) -> [Estimate; HORIZON_DAYS] {
        self.shown(&self.ahead(values))
    }

    /// [`Method::forecast`] on the model's logarithmic scale, with the model's own interval.
    pub(super) fn ahead(&self, values: &[f64]) -> [Estimate; HORIZON_DAYS] {
        let scaled = self.scaled(values);
        smoothed(&scaled).unwrap_or_else(|| self.level(scaled.last().copied().unwrap_or(0.0)))
    }

    /// Converts a forecast to popularity, with the interval widened by the back-test's factor.
    pub(super) fn shown(&self, ahead: &[Estimate; HORIZON_DAYS]) -> [Estimate; HORIZON_DAYS] {
        from_fn(|day| {
            let Estimate { value, low, high } = ahead[day];
            let back = |scaled: f64| scaled.exp_m1().max(0.0) * self.factor(day);
            let widen = self.widen[day];
            Estimate {
                value: back(value),
                low: back(value - widen * (value - low)),
                high: back(value + widen * (high - value)),
            }
        })
    }

    /// The outcome `day + 1` days after `until`, on the model's scale.
    pub(super) fn came(&self, day: usize, popularity: f64) -> f64 {
        (popularity / self.factor(day)).ln_1p()
    }

    fn factor(&self, day: usize) -> f64 {
        self.week.factor(self.until + TimeDelta::days(day as i64 + 1))
    }

    fn scaled(&self, values: &[f64]) -> Vec<f64> {
        let first = self.until - TimeDelta::days(values.len() as i64 - 1);
        let day = |at: usize| first + TimeDelta::days(at as i64);
        values.iter().enumerate().map(|(at, value)| (value / self.week.factor(day(at))).ln_1p()).collect()
    }

    /// The naive forecast: the last value; its interval widens with the square root of the horizon.
    fn level(&self, last: f64) -> [Estimate; HORIZON_DAYS] {
        from_fn(|day| {
            let half = Z * self.step * ((day + 1) as f64).sqrt();
            Estimate { value: last, low: last - half, high: last + half }
        })
    }
}

/// The better model's forecast; `None` where no model can be fitted: too few days, or constant values.
fn smoothed(values: &[f64]) -> Option<[Estimate; HORIZON_DAYS]> {
    let moves = values.iter().any(|value| (value - values[0]).abs() > f64::EPSILON);
    if values.len() < FIT_DAYS_MIN || !moves || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let level = model(TrendComponent::None).damped(false).fit(values).ok();
    let trend = model(TrendComponent::Additive).damped(true).fit(values).ok();
    let aicc = |model: &Model| if model.aicc().is_nan() { f64::INFINITY } else { model.aicc() };
    let best = level.into_iter().chain(trend).min_by(|a, b| aicc(a).total_cmp(&aicc(b)))?;
    let ahead = best.predict(HORIZON_DAYS, INTERVAL_SHARE).ok()?;
    let (point, interval) = (ahead.point, ahead.intervals?);
    if point.len() != HORIZON_DAYS || interval.lower.len() != HORIZON_DAYS || interval.upper.len() != HORIZON_DAYS {
        return None;
    }
    let estimates: [Estimate; HORIZON_DAYS] =
        from_fn(|day| Estimate { value: point[day], low: interval.lower[day], high: interval.upper[day] });
    let sound = |e: &Estimate| [e.value, e.low, e.high].iter().all(|x| x.is_finite()) && e.low <= e.high;
    estimates.iter().all(sound).then_some(estimates)
}

fn model(trend: TrendComponent) -> Unfit {
    Unfit::new(ModelType { error: ErrorComponent::Additive, trend, season: SeasonalComponent::None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn until() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 10).unwrap()
    }

    fn alone(values: &[f64]) -> [Estimate; HORIZON_DAYS] {
        Method::learn(std::iter::once(values), until()).forecast(values)
    }

    #[test]
    fn a_movie_that_climbs_steadily_goes_on_climbing() {
        let values: Vec<f64> = (0..60).map(|day| 50.0 + f64::from(day)).collect();
        let ahead = alone(&values);
        assert!((ahead[0].value - 110.0).abs() < 1.0, "{ahead:?}");
        assert!(ahead[6].value > 113.0 && ahead[6].value < 119.0, "{ahead:?}");
    }

    #[test]
    fn few_days_or_days_all_alike_go_on_level() {
        for values in [&[7.0][..], &[5.0, 6.0, 7.0], &[7.0; 60]] {
            let ahead = alone(values);
            assert!(ahead.iter().all(|day| (day.value - 7.0).abs() < 1e-9), "{values:?}: {ahead:?}");
        }
        let ahead = alone(&[5.0, 6.0, 7.0]);
        assert!(ahead[13].high - ahead[13].low > ahead[0].high - ahead[0].low, "ever less certain: {ahead:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_series_has_a_forecast_within_its_interval_and_the_same_again(
            values in prop::collection::vec(prop_oneof![Just(0.0), 0.0f64..5.0, 0.0f64..5_000.0], 1..61),
        ) {
            let ahead = alone(&values);
            for day in ahead {
                prop_assert!(day.low.is_finite() && day.high.is_finite() && day.low >= 0.0, "{day:?}");
                prop_assert!(day.low <= day.value && day.value <= day.high, "{day:?}");
            }
            prop_assert_eq!(ahead, alone(&values));
        }
    }
}
