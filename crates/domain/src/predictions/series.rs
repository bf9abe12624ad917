//! Daily series, and their weekly seasonality.

use chrono::{Datelike, NaiveDate, TimeDelta};

use super::HISTORY_DAYS;

/// One value per day, ending with `until`, from snapshots in the order of their days; a day without a snapshot repeats
/// the value of the day before. At most [`HISTORY_DAYS`] values.
pub fn daily(snapshots: &[(NaiveDate, f64)], until: NaiveDate) -> Vec<f64> {
    let Some((start, _)) = snapshots.first() else { return Vec::new() };
    let first = (*start).max(until - TimeDelta::days(HISTORY_DAYS as i64 - 1));
    let days = (until - first).num_days() + 1;
    let mut values = Vec::with_capacity(days.max(0) as usize);
    let mut seen = 0;
    for day in (0..days).map(|n| first + TimeDelta::days(n)) {
        while snapshots.get(seen).is_some_and(|(at, _)| *at <= day) {
            seen += 1;
        }
        values.push(snapshots[seen.max(1) - 1].1);
    }
    values
}

/// Weekly seasonality: the factor of each weekday's popularity, Monday first. It is estimated from all movies together,
/// since a single movie's few weeks hold more noise than signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Week([f64; 7]);

/// Samples per weekday that an estimate requires; with fewer there is no seasonality.
const WEEK_SAMPLES_MIN: u32 = 50;

/// Bound on the absolute logarithm of one sample, so that a premiere does not count as seasonality.
const WEEK_SAMPLE_MAX: f64 = 0.5;

impl Week {
    /// No seasonality.
    pub const FLAT: Self = Self([1.0; 7]);

    /// Estimates the factors: the mean ratio of a day to the seven days around it, over all days of `series`, each of which
    /// ends with `until`.
    pub fn learn<'a>(series: impl IntoIterator<Item = &'a [f64]>, until: NaiveDate) -> Self {
        let (mut sums, mut counts) = ([0.0; 7], [0_u32; 7]);
        for values in series {
            for (at, around) in values.windows(7).enumerate() {
                let (mean, value) = (around.iter().sum::<f64>() / 7.0, around[3]);
                if mean > 0.0 && value > 0.0 {
                    let weekday = weekday(until - TimeDelta::days((values.len() - 1 - (at + 3)) as i64));
                    sums[weekday] += (value / mean).ln().clamp(-WEEK_SAMPLE_MAX, WEEK_SAMPLE_MAX);
                    counts[weekday] += 1;
                }
            }
        }
        if counts.iter().any(|count| *count < WEEK_SAMPLES_MIN) {
            return Self::FLAT;
        }
        let means: [f64; 7] = std::array::from_fn(|day| sums[day] / f64::from(counts[day]));
        let level = means.iter().sum::<f64>() / 7.0;
        Self(means.map(|mean| (mean - level).exp()))
    }

    /// The factor of the day's weekday.
    pub fn factor(&self, day: NaiveDate) -> f64 {
        self.0[weekday(day)]
    }
}

fn weekday(day: NaiveDate) -> usize {
    day.weekday().num_days_from_monday() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> NaiveDate {
        // A Monday.
        NaiveDate::from_ymd_opt(2026, 3, 2).unwrap() + TimeDelta::days(n)
    }

    #[test]
    fn a_missing_day_repeats_the_day_before() {
        assert_eq!(daily(&[], day(3)), [0.0; 0]);
        assert_eq!(daily(&[(day(0), 1.0), (day(2), 3.0)], day(4)), [1.0, 1.0, 3.0, 3.0, 3.0]);
        let long: Vec<_> = (0..200).map(|n| (day(n), n as f64)).collect();
        let values = daily(&long, day(199));
        assert_eq!((values.len(), values[0], values[HISTORY_DAYS - 1]), (HISTORY_DAYS, 140.0, 199.0));
        // All snapshots but the last lie before the history's first day.
        assert_eq!(daily(&[(day(0), 1.0), (day(1), 2.0)], day(100)), [2.0; HISTORY_DAYS]);
    }

    #[test]
    fn the_weeks_rhythm_is_found_and_few_movies_have_none() {
        let rhythm = |n: i64| if n % 7 >= 4 { 1.1 } else { 1.0 };
        let movies: Vec<Vec<f64>> =
            (0..20).map(|movie| (0..57).map(|n| (10.0 + movie as f64) * rhythm(n)).collect()).collect();
        let week = Week::learn(movies.iter().map(Vec::as_slice), day(56));
        let ratio = week.factor(day(4)) / week.factor(day(0));
        assert!((ratio - 1.1).abs() < 0.005, "{week:?}");
        assert!((week.factor(day(6)) / week.factor(day(7)) - 1.1).abs() < 0.005, "{week:?}");
        assert_eq!(Week::learn(movies[..1].iter().map(|f| &f[..30]), day(29)), Week::FLAT);
    }
}
