//! The rolling back-test: forecasts from past days (origins), using only data known then, compared with the outcomes.

use std::array::from_fn;

use chrono::{NaiveDate, TimeDelta};
use domain::predictions::{BACKTEST_DAYS, BACKTEST_MOVIES, Estimate, HORIZON_DAYS, INTERVAL_SHARE, Score};
use rayon::prelude::*;

use super::method::Method;
use crate::{Stop, Stopped};

/// Fewest forecasts of a horizon from which a width is estimated; with fewer the model's interval is kept.
const WIDEN_FORECASTS_MIN: usize = 200;

/// Bounds of the factor that widens an interval: a factor outside them means that the model is wrong, not its interval.
const WIDEN: (f64, f64) = (0.2, 5.0);

/// The widening factor of each horizon, and the errors with the widened intervals.
#[derive(Debug, PartialEq)]
pub(super) struct Backtest {
    pub widen: [f64; HORIZON_DAYS],
    pub scores: [Score; HORIZON_DAYS],
}

/// One movie's forecasts from one past day, and the outcomes.
struct Origin<'a> {
    method: Method,
    ahead: [Estimate; HORIZON_DAYS],
    now: f64,
    came: &'a [f64],
}

/// Back-tests an even sample of movies. The parameters shared by all movies are estimated from days before the first
/// origin, so no forecast uses its own outcome. Only the width of the intervals is estimated from the outcomes
/// themselves: it is one number from hundreds of outcomes, so the bias of the measured coverage is negligible.
///
/// # Errors
/// [`Stopped`] when the attempt has ended; it is checked once per movie, that is every fourteen forecasts.
pub(super) fn backtest(series: &[Vec<f64>], until: NaiveDate, stop: &Stop) -> Result<Backtest, Stopped> {
    let known = |values: &'_ Vec<f64>| values.len().saturating_sub(BACKTEST_DAYS);
    let before = series.iter().map(|values| &values[..known(values)]).filter(|values| !values.is_empty());
    let method = Method::learn(before, until - TimeDelta::days(BACKTEST_DAYS as i64));
    let stride = series.len().div_ceil(BACKTEST_MOVIES).max(1);
    let movies: Vec<&Vec<f64>> = series.iter().step_by(stride).collect();
    // Collected before summation: a parallel sum would round differently each time.
    let origins: Vec<Vec<Origin<'_>>> = movies
        .into_par_iter()
        .map(|values| stop.check().map(|()| origins(method, until, values).collect()))
        .collect::<Result<_, Stopped>>()?;
    let origins: Vec<Origin<'_>> = origins.into_iter().flatten().collect();
    let widen = from_fn(|day| widen(&origins, day));
    let mut scores = [Score::default(); HORIZON_DAYS];
    for origin in &origins {
        let shown = origin.method.widened(widen).shown(&origin.ahead);
        for (score, (forecast, came)) in scores.iter_mut().zip(shown.into_iter().zip(origin.came)) {
            score.add(forecast, origin.now, *came);
        }
    }
    Ok(Backtest { widen, scores })
}

fn origins(method: Method, until: NaiveDate, values: &[f64]) -> impl Iterator<Item = Origin<'_>> {
    (1..=BACKTEST_DAYS.min(values.len().saturating_sub(1))).map(move |back| {
        let (known, came) = values.split_at(values.len() - back);
        let method = method.on(until - TimeDelta::days(back as i64));
        Origin { method, ahead: method.ahead(known), now: known[known.len() - 1], came }
    })
}

/// The factor of the half-widths with which the share [`INTERVAL_SHARE`] of the outcomes lies within the intervals.
fn widen(origins: &[Origin<'_>], day: usize) -> f64 {
    let mut distances: Vec<f64> = origins
        .iter()
        .filter_map(|origin| {
            let (Estimate { value, high, .. }, came) = (origin.ahead[day], origin.came.get(day)?);
            let half = high - value;
            (half > 0.0).then(|| (origin.method.came(day, *came) - value).abs() / half)
        })
        .collect();
    if distances.len() < WIDEN_FORECASTS_MIN {
        return 1.0;
    }
    let at = ((distances.len() as f64 * INTERVAL_SHARE) as usize).min(distances.len() - 1);
    let (_, distance, _) = distances.select_nth_unstable_by(at, f64::total_cmp);
    distance.clamp(WIDEN.0, WIDEN.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 10).unwrap()
    }

    #[test]
    fn every_horizon_is_tried_from_every_day_that_it_fits() {
        let series = vec![(0..60).map(|day| 10.0 + f64::from(day % 5)).collect::<Vec<f64>>(); 3];
        let Backtest { scores, widen } = backtest(&series, until(), &Stop::default()).unwrap();
        assert_eq!(widen, [1.0; HORIZON_DAYS], "of a few forecasts nothing is learnt");
        let tried: Vec<i64> = scores.iter().map(|score| score.forecasts).collect();
        assert_eq!(tried, (1..=14).rev().map(|n| 3 * n).collect::<Vec<i64>>());
        assert_eq!(backtest(&series, until(), &Stop::default()).unwrap(), Backtest { scores, widen });
    }

    #[test]
    fn a_movie_of_yesterday_has_been_tried_once_and_one_of_today_never() {
        let Backtest { scores, .. } = backtest(&[vec![4.0, 5.0], vec![1.0]], until(), &Stop::default()).unwrap();
        assert_eq!((scores[0].forecasts, scores[1].forecasts), (1, 0));
        assert!((scores[0].mae().unwrap() - 1.0).abs() < 1e-9 && scores[0].naive_mae() == Some(1.0), "{scores:?}");
    }

    #[test]
    fn intervals_hold_what_they_promise_on_movies_that_walk_at_random() {
        // A random walk with mostly small and a few large steps, which a normal interval does not expect.
        let mut state = 7_u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut movie = || {
            let mut value = 50.0_f64;
            let mut step = || {
                let large = if unit() < 0.1 { 0.5 } else { 0.05 };
                value *= (large * (unit() - 0.5)).exp();
                value
            };
            (0..60).map(|_| step()).collect::<Vec<f64>>()
        };
        let series: Vec<Vec<f64>> = (0..250).map(|_| movie()).collect();
        let Backtest { scores, .. } = backtest(&series, until(), &Stop::default()).unwrap();
        for score in scores {
            let coverage = score.coverage().unwrap();
            assert!((coverage - INTERVAL_SHARE).abs() < 0.02, "{score:?}: {coverage}");
        }
    }
}
