//! Trends over time: the direction and the rate of change of a daily series (seed 1, section 3.3; DESIGN.md section 4).

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::MovieId;
use crate::hours::Window;

/// Threshold of a direction: the change of the mean from the first third to the last, as a share of the first.
pub const CHANGE_SHARE: f64 = 0.05;

/// Days that a run of trends covers, and therefore the most points of an answer (seed 1: "up to 1000 data points").
pub const TREND_DAYS: i32 = 1_000;

/// A metric with one value per day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Mean vote average of the movies that have votes, 0 to 10.
    Rating,
    /// Mean sentiment of the day's reviews, -1 to 1.
    Sentiment,
    /// Mean popularity.
    Popularity,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 3] = [Self::Rating, Self::Sentiment, Self::Popularity];

    /// The metric's name in parameters and JSON bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rating => "rating",
            Self::Sentiment => "sentiment",
            Self::Popularity => "popularity",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Metric {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|metric| metric.as_str() == text)
            .ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// The movies that a trend covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All movies.
    All,
    /// The movies of a genre, by its name in the catalogue.
    Genre(String),
    /// One movie.
    Movie(MovieId),
}

/// One day of a series. `count` is the number of items in the mean: reviews for sentiment, else movies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub day: NaiveDate,
    pub value: f64,
    pub count: i64,
}

/// The direction of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Up by more than [`CHANGE_SHARE`].
    Increasing,
    /// Within [`CHANGE_SHARE`].
    Stable,
    /// Down by more than [`CHANGE_SHARE`].
    Decreasing,
}

impl Direction {
    /// The direction's name in JSON bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Increasing => "increasing",
            Self::Stable => "stable",
            Self::Decreasing => "decreasing",
        }
    }
}

/// Summary statistics of a series. An empty series is stable and has no mean, minimum and maximum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub avg: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub trend: Direction,
    /// Change of the value per day, from the middle of the first third to the middle of the last.
    pub change_rate: f64,
}

/// Compares the mean of the last third with that of the first. A series of one or two points has thirds of one point
/// each; one point alone, or none, is stable. The change is relative to the absolute value of the first mean, since
/// sentiment may be negative; from exactly zero any change counts.
pub fn direction(values: &[f64]) -> Direction {
    let Some((first, last)) = thirds(values) else { return Direction::Stable };
    let (first, last) = (mean(first), mean(last));
    let change = last - first;
    if change.abs() <= CHANGE_SHARE * first.abs() {
        Direction::Stable
    } else if change > 0.0 {
        Direction::Increasing
    } else {
        Direction::Decreasing
    }
}

/// The first day of a window whose last day is `as_of`. A day that has begun counts, so 30 hours are two days.
pub fn first_day(window: Window, as_of: NaiveDate) -> NaiveDate {
    let back = window.hours().map(|hours| TimeDelta::days(i64::from(hours.div_ceil(24)) - 1));
    back.and_then(|back| as_of.checked_sub_signed(back)).unwrap_or(NaiveDate::MIN)
}

/// Summarises a series whose points are in the order of their days.
pub fn summary(points: &[Point]) -> Summary {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    Summary {
        avg: (!values.is_empty()).then(|| mean(&values)),
        min: values.iter().copied().reduce(f64::min),
        max: values.iter().copied().reduce(f64::max),
        trend: direction(&values),
        change_rate: change_rate(points),
    }
}

/// The rate uses dates rather than positions, so gaps in a series do not change it.
fn change_rate(points: &[Point]) -> f64 {
    let Some((first, last)) = thirds(points) else { return 0.0 };
    let middle = |part: &[Point]| {
        let days: Vec<f64> = part.iter().map(|point| (point.day - NaiveDate::default()).num_days() as f64).collect();
        let values: Vec<f64> = part.iter().map(|point| point.value).collect();
        (mean(&days), mean(&values))
    };
    let ((from, before), (to, after)) = (middle(first), middle(last));
    if to > from { (after - before) / (to - from) } else { 0.0 }
}

/// The first and the last third, at least one item each; `None` with fewer than two items.
fn thirds<T>(items: &[T]) -> Option<(&[T], &[T])> {
    let third = (items.len() / 3).max(1);
    (items.len() >= 2).then(|| (&items[..third], &items[items.len() - third..]))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn points(days_and_values: &[(i64, f64)]) -> Vec<Point> {
        let start = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let point = |&(day, value)| Point { day: start + TimeDelta::days(day), value, count: 1 };
        days_and_values.iter().map(point).collect()
    }

    #[test]
    fn the_direction_is_the_seeds() {
        use Direction::{Decreasing, Increasing, Stable};
        for (values, expected) in [
            (&[][..], Stable),
            (&[5.0], Stable),
            (&[1.0, 2.0], Increasing),
            (&[2.0, 1.0], Decreasing),
            (&[100.0, 0.0, 105.0], Stable),
            (&[100.0, 0.0, 105.1], Increasing),
            (&[100.0, 0.0, 94.9], Decreasing),
            // Thirds of two; the middle does not count.
            (&[10.0, 10.0, 99.0, 0.0, 10.2, 10.2], Stable),
            (&[-0.5, -0.5, -0.4], Increasing),
            (&[0.0, 0.0, 0.01], Increasing),
            (&[0.0, 0.0, 0.0], Stable),
        ] {
            assert_eq!(direction(values), expected, "{values:?}");
        }
    }

    #[test]
    fn an_empty_series_has_a_summary_too() {
        let empty = Summary { avg: None, min: None, max: None, trend: Direction::Stable, change_rate: 0.0 };
        assert_eq!(summary(&[]), empty);
        let one = Summary { avg: Some(0.5), min: Some(0.5), max: Some(0.5), ..empty };
        assert_eq!(summary(&points(&[(3, 0.5)])), one);
    }

    #[test]
    fn the_change_rate_is_per_day_whatever_days_are_missing() {
        let summary = summary(&points(&[(0, 1.0), (1, 1.1), (5, 1.5), (6, 1.6), (20, 3.0), (30, 4.0)]));
        assert!((summary.change_rate - 0.1).abs() < 1e-9, "{summary:?}");
        assert_eq!((summary.min, summary.max, summary.trend), (Some(1.0), Some(4.0), Direction::Increasing));
    }

    #[test]
    fn a_window_ends_with_the_runs_day() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
        for (window, first) in
            [("1d", day(10)), ("7d", day(4)), ("30", day(9)), ("6h", day(10)), ("all", NaiveDate::MIN)]
        {
            assert_eq!(first_day(window.parse().unwrap(), day(10)), first, "{window}");
        }
    }

    proptest! {
        #[test]
        fn a_series_lies_between_its_bounds_and_mirrors(values in prop::collection::vec(-10.0f64..10.0, 0..60)) {
            let series: Vec<(i64, f64)> = (0..).zip(values.iter().copied()).collect();
            let up = summary(&points(&series));
            if let (Some(avg), Some(min), Some(max)) = (up.avg, up.min, up.max) {
                prop_assert!(min <= avg + 1e-9 && avg <= max + 1e-9);
            }
            let mirrored: Vec<(i64, f64)> = series.iter().map(|(day, value)| (*day, -value)).collect();
            let down = summary(&points(&mirrored));
            prop_assert!((up.change_rate + down.change_rate).abs() < 1e-9);
            let opposite = match up.trend {
                Direction::Increasing => Direction::Decreasing,
                Direction::Stable => Direction::Stable,
                Direction::Decreasing => Direction::Increasing,
            };
            prop_assert_eq!(down.trend, opposite);
        }
    }
}
