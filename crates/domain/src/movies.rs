//! The entities of the catalogue. Their values are validated where they enter the system.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{MovieId, PersonId};

/// A person named in credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
}

/// One line of the cast; `position` 0 is the lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CastMember {
    pub person: Person,
    pub character: Option<String>,
    pub position: i32,
}

/// A movie's people. The cast is in billing order and cut to [`MAX_CAST`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credits {
    pub cast: Vec<CastMember>,
    pub directors: Vec<Person>,
}

/// Cast members kept per movie: those billed later are extras, and one documentary with 900 names must not dominate a
/// chunk of writes.
pub const MAX_CAST: usize = 50;

/// A movie's votes: their mean, 0 to 10, and their number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Votes {
    pub average: f64,
    pub count: i64,
}

impl Votes {
    /// Adds viewers' ratings, each as one more vote.
    pub fn with_ratings(self, ratings: i64, rating_sum: f64) -> Self {
        if ratings == 0 {
            return self;
        }
        let count = self.count + ratings;
        Self { average: (self.average * self.count as f64 + rating_sum) / count as f64, count }
    }
}

/// A movie as a source describes it.
///
/// Money is in US dollars, runtime in minutes; `None` means unknown (TMDB writes 0 for that, see [`known`]).
/// `vote_average` is 0 to 10.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Movie {
    pub id: MovieId,
    pub title: String,
    pub original_title: Option<String>,
    pub overview: Option<String>,
    pub tagline: Option<String>,
    pub release_date: Option<NaiveDate>,
    pub runtime: Option<i32>,
    pub budget: Option<i64>,
    pub revenue: Option<i64>,
    pub original_language: Option<String>,
    pub status: Option<String>,
    pub imdb_id: Option<String>,
    pub poster_path: Option<String>,
    pub popularity: f64,
    pub vote_average: f64,
    pub vote_count: i64,
    pub genres: Vec<String>,
    pub keywords: Vec<String>,
    pub credits: Credits,
}

impl Movie {
    /// A movie with only an id and a title.
    pub fn titled(id: MovieId, title: impl Into<String>) -> Self {
        Self {
            id,
            title: title.into(),
            original_title: None,
            overview: None,
            tagline: None,
            release_date: None,
            runtime: None,
            budget: None,
            revenue: None,
            original_language: None,
            status: None,
            imdb_id: None,
            poster_path: None,
            popularity: 0.0,
            vote_average: 0.0,
            vote_count: 0,
            genres: Vec::new(),
            keywords: Vec::new(),
            credits: Credits::default(),
        }
    }
}

/// `None` for 0 and below, which mean "unknown" for budget, revenue and runtime: such zeros would distort a mean.
pub fn known<T: PartialOrd + Default>(value: T) -> Option<T> {
    (value > T::default()).then_some(value)
}

/// A movie's public numbers on one day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DailyMetrics {
    pub movie_id: MovieId,
    pub day: NaiveDate,
    pub popularity: f64,
    pub vote_average: f64,
    pub vote_count: i64,
}

/// One viewer's rating of one movie. The scale is 1 to 10: MovieLens ratings, 0.5 to 5, are doubled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    pub user_id: i64,
    pub movie_id: MovieId,
    pub rating: f32,
    pub rated_at: DateTime<Utc>,
}

/// A written review. `review_id` is unique within its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    pub review_id: String,
    pub movie_id: MovieId,
    pub author: Option<String>,
    pub rating: Option<f32>,
    pub content: String,
    pub written_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewers_rating_is_one_more_vote() {
        let votes = Votes { average: 8.0, count: 3 };
        assert_eq!(votes.with_ratings(0, 0.0), votes);
        assert_eq!(votes.with_ratings(1, 4.0), Votes { average: 7.0, count: 4 });
        assert_eq!(Votes { average: 0.0, count: 0 }.with_ratings(2, 15.0), Votes { average: 7.5, count: 2 });
    }
}
