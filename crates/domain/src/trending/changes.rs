//! The difference between two rankings, for clients that follow one.

use std::collections::HashMap;

use super::active::Place;
use crate::MovieId;

/// A movie that entered the ranking, left it or changed its rank.
#[derive(Debug, Clone, PartialEq)]
pub struct RankChange {
    pub movie_id: MovieId,
    pub title: String,
    /// The new rank, from 1; `None`: the movie left.
    pub rank: Option<usize>,
    /// `None`: the movie entered.
    pub previous_rank: Option<usize>,
    /// The score at the new rank; the last score of a movie that left.
    pub score: f64,
}

/// The movies that entered or changed their rank, by rank; then those that left, by their previous rank.
pub fn rank_changes(before: &[Place], now: &[Place]) -> Vec<RankChange> {
    let ranks = |places: &[Place]| -> HashMap<MovieId, usize> {
        (1..).zip(places).map(|(rank, place)| (place.trend.movie_id, rank)).collect()
    };
    let (old, new) = (ranks(before), ranks(now));
    let change = |place: &Place| {
        let movie_id = place.trend.movie_id;
        RankChange {
            movie_id,
            title: place.title.clone(),
            rank: new.get(&movie_id).copied(),
            previous_rank: old.get(&movie_id).copied(),
            score: place.trend.score,
        }
    };
    let moved = now.iter().map(change).filter(|change| change.rank != change.previous_rank);
    let left = before.iter().map(change).filter(|change| change.rank.is_none());
    moved.chain(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trending::Trend;

    fn place(id: i64, score: f64) -> Place {
        let trend = Trend {
            movie_id: MovieId::new(id).unwrap(),
            score,
            popularity_velocity: 0.0,
            rating_velocity: 0.0,
            vote_velocity: 0.0,
            popularity: 0.0,
            vote_average: 0.0,
            vote_count: 0,
        };
        Place { trend, title: format!("Movie {id}"), genres: Vec::new() }
    }

    #[test]
    fn a_change_names_who_entered_moved_and_left_and_nobody_else() {
        let before = [place(1, 9.0), place(2, 8.0), place(3, 7.0), place(4, 6.0)];
        let now = [place(1, 9.5), place(5, 8.5), place(2, 8.0), place(4, 6.0)];
        let ranks: Vec<_> =
            rank_changes(&before, &now).iter().map(|c| (c.movie_id.get(), c.rank, c.previous_rank)).collect();
        assert_eq!(ranks, [(5, Some(2), None), (2, Some(3), Some(2)), (3, None, Some(3))]);
        assert!(rank_changes(&before, &before).is_empty());
    }
}
