//! Collaboration of actors: pairs of people who appeared together, the number of their movies and the mean rating (seed
//! 2, view `actor_collaboration`).

use crate::PersonId;

/// Leading cast of a movie whose members count as having worked together: at most ten pairs a movie. The first-billed
/// actors share scenes; the whole cast of a movie with fifty names would make 1,225 pairs, most of whom never met.
pub const LEADING_CAST: usize = 5;

/// Two people, the lower id first, so that a pair has exactly one representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    pub a: PersonId,
    pub b: PersonId,
}

/// Sums over the movies of one pair. The sums of several chunks of movies add up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Together {
    pub movies: i64,
    /// How many of these movies have votes.
    pub rated: i64,
    /// Sum of the vote averages of the movies with votes.
    pub rating_sum: f64,
}

impl Together {
    /// Adds a movie. A movie without votes counts, but has no rating.
    pub fn add(&mut self, vote_average: f64, vote_count: i64) {
        self.movies += 1;
        if vote_count > 0 {
            self.rated += 1;
            self.rating_sum += vote_average;
        }
    }

    /// Mean vote average of the movies with votes, 0 to 10; `None` without any.
    pub fn avg_rating(&self) -> Option<f64> {
        (self.rated > 0).then(|| self.rating_sum / self.rated as f64)
    }
}

/// The pairs of a movie's leading cast, which is given in billing order. A person who plays two parts counts once.
pub fn pairs(cast: &[PersonId]) -> Vec<Pair> {
    let mut leads: Vec<PersonId> = Vec::with_capacity(LEADING_CAST);
    for person in cast {
        if leads.len() < LEADING_CAST && !leads.contains(person) {
            leads.push(*person);
        }
    }
    leads.sort_unstable();
    let mut pairs = Vec::with_capacity(leads.len() * leads.len().saturating_sub(1) / 2);
    for (at, a) in leads.iter().enumerate() {
        pairs.extend(leads[at + 1..].iter().map(|b| Pair { a: *a, b: *b }));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn people(ids: &[i64]) -> Vec<PersonId> {
        ids.iter().map(|id| PersonId::new(*id).unwrap()).collect()
    }

    fn pair(a: i64, b: i64) -> Pair {
        Pair { a: PersonId::new(a).unwrap(), b: PersonId::new(b).unwrap() }
    }

    #[test]
    fn the_first_billing_pairs_up() {
        assert_eq!(pairs(&people(&[])), []);
        assert_eq!(pairs(&people(&[7, 7])), []);
        assert_eq!(pairs(&people(&[9, 3, 9, 5])), [pair(3, 5), pair(3, 9), pair(5, 9)]);
        let crowd: Vec<i64> = (1..=50).collect();
        assert_eq!(pairs(&people(&crowd)).len(), 10, "extras are left out");
    }

    #[test]
    fn an_unrated_movie_is_counted_and_not_rated() {
        let mut together = Together::default();
        assert_eq!(together.avg_rating(), None);
        together.add(8.0, 100);
        together.add(7.0, 1);
        together.add(0.0, 0);
        assert_eq!((together.movies, together.avg_rating()), (3, Some(7.5)));
    }

    proptest! {
        #[test]
        fn pairs_are_ordered_distinct_and_bounded(ids in prop::collection::vec(1i64..12, 0..30)) {
            let found = pairs(&people(&ids));
            prop_assert!(found.len() <= LEADING_CAST * (LEADING_CAST - 1) / 2);
            prop_assert!(found.iter().all(|pair| pair.a < pair.b));
            prop_assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
        }
    }
}
