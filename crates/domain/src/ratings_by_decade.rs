//! Ratings by decade of release.

use chrono::{Datelike, NaiveDate};

/// The first year of the decade: 1999-10-15 -> 1990.
pub fn decade(release_date: NaiveDate) -> i32 {
    release_date.year().div_euclid(10) * 10
}

/// Ratings of the movies of one decade. Movies without votes count in neither mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DecadeStats {
    pub movie_count: i64,
    pub rated_count: i64,
    pub vote_count: i64,
    sum: f64,
    weighted_sum: f64,
}

impl DecadeStats {
    /// Adds one movie.
    pub fn add(&mut self, vote_average: f64, vote_count: i64) {
        self.movie_count += 1;
        if vote_count > 0 {
            self.rated_count += 1;
            self.vote_count += vote_count;
            self.sum += vote_average;
            self.weighted_sum += vote_average * vote_count as f64;
        }
    }

    /// Mean vote average, 0 to 10; each movie counts once. `None` without votes.
    pub fn avg_rating(&self) -> Option<f64> {
        (self.rated_count > 0).then(|| self.sum / self.rated_count as f64)
    }

    /// Mean vote, 0 to 10; each vote counts once. `None` without votes.
    pub fn weighted_rating(&self) -> Option<f64> {
        (self.vote_count > 0).then(|| self.weighted_sum / self.vote_count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decades_floor() {
        let day = |y| NaiveDate::from_ymd_opt(y, 6, 1).unwrap();
        assert_eq!([1999, 2000, 2009, 1900].map(|y| decade(day(y))), [1990, 2000, 2000, 1900]);
    }

    #[test]
    fn the_weighted_mean_follows_the_votes_and_both_skip_unrated_movies() {
        let mut stats = DecadeStats::default();
        stats.add(9.0, 900);
        stats.add(5.0, 100);
        stats.add(0.0, 0);
        assert_eq!(stats.avg_rating(), Some(7.0));
        assert!((stats.weighted_rating().unwrap() - 8.6).abs() < 1e-9);
        assert_eq!((stats.movie_count, stats.rated_count), (3, 2));
    }
}
