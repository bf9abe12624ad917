//! Genre analytics by year and month of release (seed 1, section 3.3, the statistics block).
//!
//! The artifact stores sums, one set per genre, year and month: any selection of months is the sum of its sets, so one
//! run answers every combination of filters. Stored means would answer only the combinations chosen in advance.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::genre_stats::MovieFacts;

/// The year and month under which movies without a release date are counted.
pub const UNDATED: (i32, i32) = (0, 0);

/// The year and month under which a movie is counted.
pub fn month_of(release_date: Option<NaiveDate>) -> (i32, i32) {
    release_date.map_or(UNDATED, |date| (date.year(), date.month() as i32))
}

/// A selection of a genre's movies by year of release, by month, or by both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selection {
    /// The genre's name in the catalogue.
    pub genre: String,
    pub year: Option<i32>,
    /// 1 to 12; without a year, that month of every year.
    pub month: Option<i32>,
}

impl Selection {
    /// The half-open range of release dates of the selected year: the first day, and the day after the last. A year
    /// outside the calendar gives an empty range. `None` without a year.
    pub fn released(&self) -> Option<(NaiveDate, NaiveDate)> {
        let year = self.year?;
        let first = |year| NaiveDate::from_ymd_opt(year, 1, 1);
        let days = first(year).zip(year.checked_add(1).and_then(first));
        Some(days.unwrap_or((NaiveDate::default(), NaiveDate::default())))
    }
}

/// A sum and the number of values in it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    pub sum: f64,
    pub count: i64,
}

impl Sum {
    /// Adds one value.
    pub fn add(&mut self, value: f64) {
        *self += Self { sum: value, count: 1 };
    }

    /// The mean; `None` without values.
    pub fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }
}

/// Sums over some movies of one genre. Unknown values do not count in means, as in [`crate::genre_stats::GenreStats`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GenreSums {
    pub total_movies: i64,
    /// Vote averages of the movies with votes, 0 to 10.
    pub rating: Sum,
    /// Sentiment scores of the reviews, -1 to 1; each review counts once.
    pub sentiment: Sum,
    pub popularity: Sum,
    pub budget: Sum,
    pub runtime: Sum,
    pub total_revenue: i64,
}

impl GenreSums {
    /// Adds a movie, and its reviews' sentiment.
    pub fn add(&mut self, movie: &MovieFacts, sentiment: Sum) {
        self.total_movies += 1;
        self.popularity.add(movie.popularity);
        if movie.vote_count > 0 {
            self.rating.add(movie.vote_average);
        }
        self.sentiment += sentiment;
        self.total_revenue = self.total_revenue.saturating_add(movie.revenue.unwrap_or(0));
        if let Some(budget) = movie.budget {
            self.budget.add(budget as f64);
        }
        if let Some(runtime) = movie.runtime {
            self.runtime.add(f64::from(runtime));
        }
    }

    /// The means and sums that the API returns.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            total_movies: self.total_movies,
            avg_rating: self.rating.mean(),
            avg_sentiment: self.sentiment.mean(),
            avg_popularity: self.popularity.mean(),
            total_revenue: self.total_revenue,
            avg_budget: self.budget.mean(),
            avg_runtime: self.runtime.mean(),
        }
    }
}

impl std::ops::AddAssign for GenreSums {
    fn add_assign(&mut self, other: Self) {
        self.total_movies += other.total_movies;
        self.rating += other.rating;
        self.sentiment += other.sentiment;
        self.popularity += other.popularity;
        self.budget += other.budget;
        self.runtime += other.runtime;
        self.total_revenue = self.total_revenue.saturating_add(other.total_revenue);
    }
}

/// The seed's `statistics`; a field is `None` where no movie of the selection has the value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    pub total_movies: i64,
    /// Mean vote average, 0 to 10, over movies with votes.
    pub avg_rating: Option<f64>,
    /// Mean sentiment, -1 to 1, over reviews.
    pub avg_sentiment: Option<f64>,
    pub avg_popularity: Option<f64>,
    /// Sum in US dollars over movies whose revenue is known.
    pub total_revenue: i64,
    /// Mean in US dollars over movies whose budget is known.
    pub avg_budget: Option<f64>,
    /// Mean in minutes over movies whose runtime is known.
    pub avg_runtime: Option<f64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn movie(rating: f64, votes: i64, popularity: f64, money: Option<i64>) -> MovieFacts {
        MovieFacts {
            vote_average: rating,
            vote_count: votes,
            popularity,
            revenue: money,
            budget: money,
            runtime: money.map(|money| (money % 300) as i32),
        }
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let mut sums = GenreSums::default();
        assert_eq!(sums.statistics().avg_rating, None);
        sums.add(&movie(8.0, 10, 4.0, Some(120)), Sum { sum: 1.5, count: 3 });
        sums.add(&movie(0.0, 0, 2.0, None), Sum::default());
        let expected = Statistics {
            total_movies: 2,
            avg_rating: Some(8.0),
            avg_sentiment: Some(0.5),
            avg_popularity: Some(3.0),
            total_revenue: 120,
            avg_budget: Some(120.0),
            avg_runtime: Some(120.0),
        };
        assert_eq!(sums.statistics(), expected);
    }

    #[test]
    fn a_movie_without_a_date_has_a_place() {
        assert_eq!(month_of(NaiveDate::from_ymd_opt(1999, 10, 15)), (1999, 10));
        assert_eq!(month_of(None), UNDATED);
    }

    #[test]
    fn a_selected_year_is_its_days() {
        let released = |year| Selection { genre: "Drama".into(), year, month: None }.released();
        let day = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        assert_eq!(released(None), None);
        assert_eq!(released(Some(1999)), Some((day(1999), day(2000))));
        let (from, to) = released(Some(i32::MAX)).unwrap();
        assert_eq!(from, to, "nothing is released then");
    }

    proptest! {
        #[test]
        fn months_add_up_to_the_whole(
            movies in prop::collection::vec((0u8..100, 0i64..3, 0u8..100, prop::option::of(1i64..1_000)), 1..40),
            cut in 0usize..40,
        ) {
            // Whole numbers, so that adding in another order gives the same bits.
            let facts: Vec<_> = movies.iter().map(|(r, v, p, m)| movie(f64::from(*r), *v, f64::from(*p), *m)).collect();
            let sums = |movies: &[MovieFacts]| {
                let mut sums = GenreSums::default();
                movies.iter().for_each(|movie| sums.add(movie, Sum { sum: 1.0, count: 2 }));
                sums
            };
            let (one, two) = facts.split_at(cut.min(facts.len()));
            let mut added = sums(one);
            added += sums(two);
            prop_assert_eq!(added, sums(&facts));
        }
    }
}
