//! Sentiment of a movie over a window, computed from its merged hours (seed 1, section 3.1).
//!
//! The hours are those of [`crate::merge::merge`], oldest first, each from one layer. Every review counts once, so a
//! sum over hours weights each hour's mean by its number of reviews.

use super::{Label, Tally, velocity};
use crate::hours::{Hour, Window};
use crate::merge::{CUTOFF_HOURS, Layer};

/// One merged hour: the layer that owns it, and the tally of its reviews.
pub type MergedHour = (Hour, Layer, Tally);

/// Totals over all reviews of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overall {
    pub tally: Tally,
    /// `None` without reviews.
    pub label: Option<Label>,
    /// Change of the score per hour over the hours from the cutoff on ([`velocity`]).
    pub velocity: f64,
}

/// Sums up all hours; the velocity is that of the hours from `cutoff` on.
pub fn overall(hours: &[MergedHour], cutoff: Hour) -> Overall {
    let mut tally = Tally::default();
    hours.iter().for_each(|(.., hour)| tally += *hour);
    let recent: Vec<(Hour, Tally)> =
        hours.iter().filter(|(hour, ..)| *hour >= cutoff).map(|(hour, _, tally)| (*hour, *tally)).collect();
    Overall { tally, label: tally.mean().map(Label::of), velocity: velocity(&recent) }
}

/// A day or an hour of the breakdown.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// `2026-03-10`, or `2026-03-10T14:00:00Z` for an hour.
    pub date: String,
    pub mean: f64,
    pub reviews: i64,
}

/// The breakdown of the window, newest bucket first: hours where the window is at most [`CUTOFF_HOURS`] long, else
/// days. Buckets without reviews are left out; an hour that a late fact reopened may be empty.
pub fn breakdown(hours: &[MergedHour], window: Window) -> Vec<Bucket> {
    let by_hour = window.hours().is_some_and(|hours| i64::from(hours) <= CUTOFF_HOURS);
    let mut buckets: Vec<(String, Tally)> = Vec::new();
    for (hour, _, tally) in hours.iter().rev() {
        let date = if by_hour { hour.to_string() } else { hour.start().date_naive().to_string() };
        match buckets.last_mut() {
            Some((last, sum)) if *last == date => *sum += *tally,
            _ => buckets.push((date, *tally)),
        }
    }
    let bucket = |(date, tally): (String, Tally)| Some(Bucket { date, mean: tally.mean()?, reviews: tally.count() });
    buckets.into_iter().filter_map(bucket).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::super::Score;
    use super::*;

    fn hour(text: &str) -> Hour {
        Hour::of(text.parse::<DateTime<Utc>>().unwrap())
    }

    fn merged(hours: &[(&str, &[f64])]) -> Vec<MergedHour> {
        let tally = |scores: &[f64]| {
            let mut tally = Tally::default();
            scores.iter().for_each(|score| tally.add(Score::new(*score)));
            tally
        };
        hours.iter().map(|(at, scores)| (hour(at), Layer::Batch, tally(scores))).collect()
    }

    #[test]
    fn every_review_counts_once_and_velocity_looks_at_recent_hours_only() {
        let hours = merged(&[
            ("2026-03-01T10:00:00Z", &[-1.0; 3]),
            ("2026-03-10T10:00:00Z", &[0.5]),
            ("2026-03-10T12:00:00Z", &[1.0]),
        ]);
        let overall = overall(&hours, hour("2026-03-08T12:00:00Z"));
        assert_eq!((overall.tally.count(), overall.tally.mean()), (5, Some(-0.3)));
        assert_eq!((overall.label, overall.velocity), (Some(Label::Neutral), 0.25));
    }

    #[test]
    fn a_window_without_reviews_has_no_label() {
        let nothing = overall(&[], hour("2026-03-08T12:00:00Z"));
        assert_eq!((nothing.label, nothing.velocity, nothing.tally.count()), (None, 0.0, 0));
        assert!(breakdown(&[], Window::All).is_empty());
    }

    #[test]
    fn two_days_are_broken_down_by_hour_and_more_by_day_newest_first() {
        let hours = merged(&[
            ("2026-03-09T10:00:00Z", &[0.0]),
            ("2026-03-10T10:00:00Z", &[0.5]),
            ("2026-03-10T12:00:00Z", &[1.0, 1.0, 1.0]),
            ("2026-03-10T13:00:00Z", &[]),
        ]);
        let dates =
            |window| breakdown(&hours, window).into_iter().map(|b| (b.date, b.mean, b.reviews)).collect::<Vec<_>>();
        assert_eq!(
            dates(Window::Hours(48)),
            [
                ("2026-03-10T12:00:00Z".to_owned(), 1.0, 3),
                ("2026-03-10T10:00:00Z".to_owned(), 0.5, 1),
                ("2026-03-09T10:00:00Z".to_owned(), 0.0, 1),
            ]
        );
        assert_eq!(dates(Window::Days(3)), [("2026-03-10".to_owned(), 0.875, 4), ("2026-03-09".to_owned(), 0.0, 1)]);
    }
}
