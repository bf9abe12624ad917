//! How one list comes from two layers (DESIGN.md section 4): the blend, diversity, novelty, exploration, and lists for
//! several viewers at once. Scores are numbers without a unit; only their order within one list matters.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::MovieId;

/// Share of the batch layer in the blend.
pub const BATCH_SHARE_DEFAULT: f32 = 0.7;

/// Share of places of a new viewer's list that show less known movies, so that these get a first reaction.
pub const EXPLORATION_SHARE_DEFAULT: f32 = 0.1;

/// Latest movies of a viewer that are folded into the profile.
pub const HISTORY_MOVIES_MAX: usize = 200;

/// A movie and its score.
pub type Scored = (MovieId, f32);

/// A movie of the blend: the score, and what each layer gave it after scaling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blended {
    pub movie_id: MovieId,
    /// 0 to 1.
    pub score: f32,
    /// The batch layer's scaled score; `None`: not among its candidates.
    pub batch: Option<f32>,
    /// The real-time layer's scaled score; `None`: not among its candidates.
    pub realtime: Option<f32>,
}

/// Scales scores to 0..1 over themselves. Equal scores are all 1; scores that are not finite are dropped.
pub fn scaled(candidates: &[Scored]) -> Vec<Scored> {
    let finite = || candidates.iter().filter(|c| c.1.is_finite());
    let (low, high) = finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), c| (l.min(c.1), h.max(c.1)));
    // Halved, so that the difference of two large scores stays finite.
    let range = high / 2.0 - low / 2.0;
    let scale = |score: f32| if range > 0.0 { ((score / 2.0 - low / 2.0) / range).clamp(0.0, 1.0) } else { 1.0 };
    finite().map(|&(movie, score)| (movie, scale(score))).collect()
}

/// `share·batch + (1 - share)·real-time`, each scaled over its own candidates; best first, ties by movie id. If one
/// layer has no candidates, the other one decides alone.
pub fn blend(batch: &[Scored], realtime: &[Scored], share: f32) -> Vec<Blended> {
    let (batch, realtime) = (scaled(batch), scaled(realtime));
    let share = match (batch.is_empty(), realtime.is_empty()) {
        (false, true) => 1.0,
        (true, _) => 0.0,
        (false, false) => share,
    };
    let mut all: BTreeMap<MovieId, (Option<f32>, Option<f32>)> = BTreeMap::new();
    for (movie, score) in batch {
        all.entry(movie).or_default().0.get_or_insert(score);
    }
    for (movie, score) in realtime {
        all.entry(movie).or_default().1.get_or_insert(score);
    }
    let mut blended: Vec<Blended> = all
        .into_iter()
        .map(|(movie_id, (batch, realtime))| {
            let score = share * batch.unwrap_or(0.0) + (1.0 - share) * realtime.unwrap_or(0.0);
            Blended { movie_id, score, batch, realtime }
        })
        .collect();
    best_first(&mut blended);
    blended
}

fn best_first(list: &mut [Blended]) {
    list.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.movie_id.cmp(&b.movie_id)));
}

/// Moves less popular movies up: `(1 - novelty)·score + novelty·(1 - popularity)`, the popularity scaled over the list.
pub fn prefer_novel(list: &mut [Blended], popularity: &HashMap<MovieId, f32>, novelty: f32) {
    // The logarithm: popularity spans four powers of ten, and the most popular movie would hide the other differences.
    let known: Vec<Scored> = list
        .iter()
        .map(|b| (b.movie_id, popularity.get(&b.movie_id).copied().unwrap_or(0.0).max(0.0).ln_1p()))
        .collect();
    let known: HashMap<MovieId, f32> = scaled(&known).into_iter().collect();
    for item in list.iter_mut() {
        let popular = known.get(&item.movie_id).copied().unwrap_or(0.0);
        item.score = (1.0 - novelty) * item.score + novelty * (1.0 - popular);
    }
    best_first(list);
}

/// Chooses `count` movies by maximal marginal relevance (Carbonell and Goldstein 1998): the next one maximises
/// `(1 - diversity)·score - diversity·(greatest similarity to one chosen)`. With diversity 0 it keeps the order.
/// `similarity` is 0 to 1. Costs `count` times the list's length.
pub fn diversified(
    mut list: Vec<Blended>,
    count: usize,
    diversity: f32,
    similarity: impl Fn(MovieId, MovieId) -> f32,
) -> Vec<Blended> {
    if diversity <= 0.0 {
        list.truncate(count);
        return list;
    }
    let mut nearest = vec![0f32; list.len()];
    let mut chosen: Vec<Blended> = Vec::with_capacity(count.min(list.len()));
    while chosen.len() < count && !list.is_empty() {
        let value = |i: usize| (1.0 - diversity) * list[i].score - diversity * nearest[i];
        // The first of equal ones: the list is best first.
        let Some(at) = (0..list.len()).reduce(|best, i| if value(i) > value(best) { i } else { best }) else { break };
        let next = list.remove(at);
        nearest.remove(at);
        for (near, item) in nearest.iter_mut().zip(&list) {
            *near = near.max(similarity(next.movie_id, item.movie_id));
        }
        chosen.push(next);
    }
    chosen
}

/// Places, from 0, of a list of `count` that show less known movies: `share` of them rounded up, spread evenly over the
/// list, never the first.
pub fn explored_places(count: usize, share: f32) -> Vec<usize> {
    if share <= 0.0 || count < 2 {
        return Vec::new();
    }
    let places = ((count as f32 * share.min(1.0)).ceil() as usize).min(count - 1);
    (1..=places).map(|n| n * count / (places + 1)).map(|place| place.clamp(1, count - 1)).collect()
}

/// How the scores of a group's viewers become one (Masthoff 2011, "Group recommender systems", table 21.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupRule {
    /// The lowest score of the group: nobody gets what they dislike.
    #[default]
    LeastMisery,
    /// The mean of the scores.
    Mean,
}

/// One list for several viewers: each viewer's scores are scaled over the candidates, then joined. A movie without a
/// score for a viewer has 0 for that one.
pub fn grouped(viewers: &[Vec<Scored>], rule: GroupRule) -> Vec<Blended> {
    let mut joined: BTreeMap<MovieId, Vec<f32>> = BTreeMap::new();
    for scores in viewers {
        for (movie, score) in scaled(scores) {
            joined.entry(movie).or_default().push(score);
        }
    }
    let count = viewers.len();
    let mut list: Vec<Blended> = joined
        .into_iter()
        .map(|(movie_id, scores)| {
            let score = match rule {
                GroupRule::Mean => scores.iter().sum::<f32>() / count as f32,
                GroupRule::LeastMisery if scores.len() < count => 0.0,
                GroupRule::LeastMisery => scores.iter().copied().fold(1.0, f32::min),
            };
            Blended { movie_id, score, batch: None, realtime: Some(score) }
        })
        .collect();
    best_first(&mut list);
    list
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scores(all: &[(i64, f32)]) -> Vec<Scored> {
        all.iter().map(|(id, score)| (MovieId::new(*id).unwrap(), *score)).collect()
    }

    fn ids(list: &[Blended]) -> Vec<i64> {
        list.iter().map(|item| item.movie_id.get()).collect()
    }

    #[test]
    fn each_layer_is_scaled_over_its_own_candidates() {
        let list = blend(&scores(&[(1, 10.0), (2, 5.0), (3, 0.0)]), &scores(&[(3, 0.2), (4, 0.1)]), 0.7);
        let shown: Vec<_> = list.iter().map(|b| (b.movie_id.get(), (b.score * 100.0).round() as i32)).collect();
        assert_eq!(shown, [(1, 70), (2, 35), (3, 30), (4, 0)]);
        assert_eq!(list[2].batch.zip(list[2].realtime), Some((0.0, 1.0)));
    }

    #[test]
    fn one_layer_decides_alone_where_the_other_has_nothing() {
        let some = scores(&[(2, 1.0), (1, 1.0), (3, 0.5)]);
        for list in [blend(&some, &[], 0.7), blend(&[], &some, 0.7)] {
            assert_eq!(ids(&list), [1, 2, 3], "ties by id");
            assert_eq!(list.iter().map(|b| b.score).collect::<Vec<_>>(), [1.0, 1.0, 0.0]);
        }
        assert!(blend(&[], &[], 0.7).is_empty());
        assert!(blend(&scores(&[(1, f32::NAN)]), &[], 0.7).is_empty());
    }

    #[test]
    fn diversity_takes_a_different_movie_before_a_like_one() {
        let list = blend(&scores(&[(1, 1.0), (2, 0.9), (3, 0.5), (4, 0.0)]), &[], 0.7);
        let alike = |a: MovieId, b: MovieId| if a.get() <= 2 && b.get() <= 2 { 1.0 } else { 0.0 };
        assert_eq!(ids(&diversified(list.clone(), 3, 0.0, alike)), [1, 2, 3]);
        assert_eq!(ids(&diversified(list, 3, 0.5, alike)), [1, 3, 4]);
    }

    #[test]
    fn novelty_moves_little_known_movies_up() {
        let mut list = blend(&scores(&[(1, 1.0), (2, 0.9), (3, 0.0)]), &[], 0.7);
        let popularity = scores(&[(1, 500.0), (2, 1.0), (3, 500.0)]).into_iter().collect();
        prefer_novel(&mut list, &popularity, 0.3);
        assert_eq!(ids(&list), [2, 1, 3]);
    }

    #[test]
    fn explored_places_are_few_and_never_the_first() {
        assert_eq!(explored_places(10, 0.1), [5]);
        assert_eq!(explored_places(10, 0.0), [0; 0]);
        assert_eq!(explored_places(1, 0.5), [0; 0]);
        assert_eq!(explored_places(3, 1.0), [1, 2]);
    }

    #[test]
    fn a_group_avoids_what_one_dislikes_or_takes_the_mean() {
        let group = [scores(&[(1, 1.0), (2, 0.6), (3, 0.0)]), scores(&[(1, 0.0), (2, 0.3), (3, 1.0)])];
        assert_eq!(ids(&grouped(&group, GroupRule::LeastMisery)), [2, 1, 3]);
        assert_eq!(ids(&grouped(&group, GroupRule::Mean)), [1, 3, 2]);
        let one_lacks = [scores(&[(1, 1.0), (2, 0.5)]), scores(&[(2, 1.0)])];
        assert_eq!(grouped(&one_lacks, GroupRule::LeastMisery).iter().map(|b| b.score).collect::<Vec<_>>(), [0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn a_blend_names_each_candidate_once_best_first(
            batch in prop::collection::vec((1i64..50, -1e30f32..1e30), 0..30),
            realtime in prop::collection::vec((1i64..50, -1e30f32..1e30), 0..30),
            share in 0f32..=1.0,
        ) {
            let list = blend(&scores(&batch), &scores(&realtime), share);
            let mut expected: Vec<i64> = batch.iter().chain(&realtime).map(|c| c.0).collect();
            expected.sort_unstable();
            expected.dedup();
            let mut found = ids(&list);
            found.sort_unstable();
            prop_assert_eq!(found, expected);
            prop_assert!(list.is_sorted_by(|a, b| a.score > b.score || a.score == b.score && a.movie_id < b.movie_id));
            prop_assert!(list.iter().all(|b| (0.0..=1.0).contains(&b.score)));
        }

        #[test]
        fn diversifying_keeps_the_best_and_repeats_nothing(
            batch in prop::collection::vec((1i64..50, 0f32..1.0), 1..30), count in 1usize..40, diversity in 0f32..=1.0,
        ) {
            let list = blend(&scores(&batch), &[], 0.7);
            let chosen = diversified(list.clone(), count, diversity, |a, b| ((a.get() + b.get()) % 2) as f32);
            prop_assert_eq!(chosen.len(), count.min(list.len()));
            let mut distinct = ids(&chosen);
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), chosen.len());
        }

        #[test]
        fn places_to_explore_are_distinct_and_within_the_list(count in 0usize..101, share in 0f32..=1.0) {
            let places = explored_places(count, share);
            prop_assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
            prop_assert!(places.iter().all(|place| (1..count).contains(place)));
        }
    }
}
