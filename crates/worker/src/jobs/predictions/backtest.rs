//! The back-test: stand on past days, forecast with what was known then, compare with what came.

use chrono::{NaiveDate, TimeDelta};
use domain::predictions::{BACKTEST_DAYS, BACKTEST_FILMS, HORIZON_DAYS, Score};
use rayon::prelude::*;

use super::method::Method;

/// Errors by horizon, over films evenly taken from all. What films have in common is learnt from before the first of
/// the days stood on, so no forecast has seen what it is compared with.
pub(super) fn backtest(series: &[Vec<f64>], until: NaiveDate) -> [Score; HORIZON_DAYS] {
    let before = |values: &'_ Vec<f64>, back: usize| values.len().saturating_sub(back);
    let known = series.iter().map(|values| &values[..before(values, BACKTEST_DAYS)]).filter(|known| !known.is_empty());
    let method = Method::learn(known, until - TimeDelta::days(BACKTEST_DAYS as i64));
    let stride = series.len().div_ceil(BACKTEST_FILMS).max(1);
    let films: Vec<&Vec<f64>> = series.iter().step_by(stride).collect();
    // Collected before they are added up: a parallel sum would round differently each time.
    let scores: Vec<[Score; HORIZON_DAYS]> = films
        .into_par_iter()
        .map(|values| {
            let mut scores = [Score::default(); HORIZON_DAYS];
            for back in 1..=BACKTEST_DAYS.min(values.len().saturating_sub(1)) {
                let (known, came) = values.split_at(before(values, back));
                let ahead = method.on(until - TimeDelta::days(back as i64)).forecast(known);
                let now = known[known.len() - 1];
                for (score, (forecast, actual)) in scores.iter_mut().zip(ahead.into_iter().zip(came)) {
                    score.add(forecast, now, *actual);
                }
            }
            scores
        })
        .collect();
    let mut total = [Score::default(); HORIZON_DAYS];
    for scores in scores {
        total.iter_mut().zip(scores).for_each(|(total, score)| *total += score);
    }
    total
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
        let scores = backtest(&series, until());
        let tried: Vec<i64> = scores.iter().map(|score| score.forecasts).collect();
        assert_eq!(tried, (1..=14).rev().map(|n| 3 * n).collect::<Vec<i64>>());
        assert_eq!(backtest(&series, until()), scores);
    }

    #[test]
    fn a_film_of_yesterday_has_been_tried_once_and_one_of_today_never() {
        let scores = backtest(&[vec![4.0, 5.0], vec![1.0]], until());
        assert_eq!((scores[0].forecasts, scores[1].forecasts), (1, 0));
        assert!((scores[0].mae().unwrap() - 1.0).abs() < 1e-9 && scores[0].naive_mae() == Some(1.0), "{scores:?}");
    }
}
