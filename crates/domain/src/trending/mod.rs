//! The trending score (seed 1, section 3.2; DESIGN.md section 4).

pub mod active;
mod changes;
mod last_hours;

use std::cmp::Ordering;

use crate::MovieId;
use crate::movies::DailyMetrics;

pub use changes::{RankChange, rank_changes};
pub use last_hours::LastHours;

/// Weight of current popularity.
pub const POPULARITY_WEIGHT: f64 = 0.4;
/// Weight of the rating's change per hour.
pub const RATING_VELOCITY_WEIGHT: f64 = 300.0;
/// Weight of the current rating.
pub const VOTE_AVERAGE_WEIGHT: f64 = 2.0;
/// Weight of new votes per hour.
pub const VOTE_VELOCITY_WEIGHT: f64 = 0.01;

/// Days of daily snapshots that the nightly score uses. Seven days average out the weekend; a movie without a snapshot
/// in them is not active and not ranked.
pub const WINDOW_DAYS: i64 = 7;

/// Ranks kept per run: far deeper than anybody pages, and a bound on a run over a million movies.
pub const RANKS_KEPT: usize = 10_000;

/// A movie's change over the window. Velocities are per hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    pub movie_id: MovieId,
    pub score: f64,
    /// Change of popularity per hour (`velocity` in the seed's body).
    pub popularity_velocity: f64,
    /// Change of the vote average per hour (`acceleration` in the seed's body).
    pub rating_velocity: f64,
    /// New votes per hour.
    pub vote_velocity: f64,
    pub popularity: f64,
    pub vote_average: f64,
    pub vote_count: i64,
}

/// The trending score: 0.4·popularity + 300·rating_velocity + 2·vote_average + 0.01·vote_velocity.
pub fn score(popularity: f64, rating_velocity: f64, vote_average: f64, vote_velocity: f64) -> f64 {
    POPULARITY_WEIGHT * popularity
        + RATING_VELOCITY_WEIGHT * rating_velocity
        + VOTE_AVERAGE_WEIGHT * vote_average
        + VOTE_VELOCITY_WEIGHT * vote_velocity
}

/// A movie's trend from its earliest and latest snapshot in the window. With a single snapshot all velocities are 0.
///
/// # Panics
/// Never. The snapshots must be of one movie; the later one's id is used.
pub fn trend(earliest: &DailyMetrics, latest: &DailyMetrics) -> Trend {
    let hours = (latest.day - earliest.day).num_hours() as f64;
    let per_hour = |change: f64| if hours > 0.0 { change / hours } else { 0.0 };
    let rating_velocity = per_hour(latest.vote_average - earliest.vote_average);
    let vote_velocity = per_hour((latest.vote_count - earliest.vote_count) as f64);
    Trend {
        movie_id: latest.movie_id,
        score: score(latest.popularity, rating_velocity, latest.vote_average, vote_velocity),
        popularity_velocity: per_hour(latest.popularity - earliest.popularity),
        rating_velocity,
        vote_velocity,
        popularity: latest.popularity,
        vote_average: latest.vote_average,
        vote_count: latest.vote_count,
    }
}

/// Highest score first; equal scores by movie id, so that two runs over the same facts agree.
fn order(a: &Trend, b: &Trend) -> Ordering {
    b.score.total_cmp(&a.score).then(a.movie_id.cmp(&b.movie_id))
}

/// Sorts, and keeps the best [`RANKS_KEPT`].
pub fn rank(trends: &mut Vec<Trend>) {
    if trends.len() > RANKS_KEPT {
        trends.select_nth_unstable_by(RANKS_KEPT, order);
        trends.truncate(RANKS_KEPT);
    }
    trends.sort_unstable_by(order);
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

    use super::*;

    fn metrics(id: i64, day: u32, popularity: f64, vote_average: f64, vote_count: i64) -> DailyMetrics {
        DailyMetrics {
            movie_id: MovieId::new(id).unwrap(),
            day: NaiveDate::from_ymd_opt(2026, 1, day).unwrap(),
            popularity,
            vote_average,
            vote_count,
        }
    }

    #[test]
    fn the_score_is_the_seeds_formula() {
        // Two days = 48 h: rating +0.48 -> 0.01/h, votes +480 -> 10/h, popularity +24 -> 0.5/h.
        let t = trend(&metrics(1, 1, 66.0, 7.52, 520), &metrics(1, 3, 90.0, 8.0, 1_000));
        assert!((t.score - (0.4 * 90.0 + 300.0 * 0.01 + 2.0 * 8.0 + 0.01 * 10.0)).abs() < 1e-9);
        assert!((t.popularity_velocity - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_single_snapshot_has_no_velocity() {
        let only = metrics(1, 1, 50.0, 7.0, 100);
        let t = trend(&only, &only);
        assert_eq!((t.rating_velocity, t.vote_velocity, t.popularity_velocity), (0.0, 0.0, 0.0));
        assert!((t.score - 34.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn ranking_is_total_and_independent_of_input_order(scores in prop::collection::vec(0.0f64..100.0, 1..200)) {
            let mut a: Vec<Trend> = scores.iter().enumerate()
                .map(|(i, s)| { let m = metrics(i as i64 + 1, 1, (s * 4.0).round(), 0.0, 0); trend(&m, &m) })
                .collect();
            let mut b: Vec<Trend> = a.iter().rev().copied().collect();
            rank(&mut a);
            rank(&mut b);
            prop_assert_eq!(&a, &b);
            prop_assert!(a.windows(2).all(|w| w[0].score > w[1].score || (w[0].score == w[1].score && w[0].movie_id < w[1].movie_id)));
        }
    }
}
