//! Cosine similarity over sparse weighted features, linear in the number of movies.

/// Most other movies that a movie is compared with: it bounds the time per movie.
pub const CANDIDATES: usize = 2_000;

/// Collects the movies' features before the index is built.
#[derive(Debug, Default)]
pub struct Builder {
    offsets: Vec<usize>,
    features: Vec<u32>,
}

impl Builder {
    /// Adds the next movie; its ordinal is the number of movies before it. Repeated features count once.
    pub fn push(&mut self, features: &mut Vec<u32>) {
        features.sort_unstable();
        features.dedup();
        self.offsets.push(self.features.len());
        self.features.extend_from_slice(features);
    }

    /// Number of movies so far.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there are no movies.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Builds the index. `kind_weights[feature]` is the weight of the feature's kind, greater than 0.
    ///
    /// # Panics
    /// Panics when a feature has no weight, or there are more than `u32::MAX` movies.
    pub fn build(mut self, kind_weights: &[f32]) -> Index {
        let movies = self.offsets.len();
        assert!(u32::try_from(movies).is_ok(), "movie ordinals are 32 bits wide");
        self.offsets.push(self.features.len());

        let mut posting_offsets = vec![0usize; kind_weights.len() + 1];
        for &feature in &self.features {
            posting_offsets[feature as usize + 1] += 1;
        }
        let weights: Vec<f32> = kind_weights
            .iter()
            .zip(&posting_offsets[1..])
            .map(|(&kind, &df)| if df == 0 { 0.0 } else { kind * (1.0 + movies as f32 / df as f32).ln() })
            .collect();
        for i in 1..posting_offsets.len() {
            posting_offsets[i] += posting_offsets[i - 1];
        }
        let mut next = posting_offsets.clone();
        let mut postings = vec![0u32; self.features.len()];
        let mut norms = Vec::with_capacity(movies);
        for movie in 0..movies {
            let row = &self.features[self.offsets[movie]..self.offsets[movie + 1]];
            norms.push(row.iter().map(|&f| weights[f as usize].powi(2)).sum::<f32>().sqrt());
            for &feature in row {
                postings[next[feature as usize]] = movie as u32;
                next[feature as usize] += 1;
            }
        }
        Index { offsets: self.offsets, features: self.features, posting_offsets, postings, weights, norms }
    }
}

/// Movies by feature and features by movie, as compressed sparse rows.
#[derive(Debug)]
pub struct Index {
    offsets: Vec<usize>,
    features: Vec<u32>,
    posting_offsets: Vec<usize>,
    postings: Vec<u32>,
    weights: Vec<f32>,
    norms: Vec<f32>,
}

/// Working memory of one thread, reused from movie to movie.
#[derive(Debug)]
pub struct Scratch {
    /// Weight of each feature of the movie in question, 0 elsewhere.
    query: Vec<f32>,
    /// Movie ordinal + 1 for which a movie was last gathered as a candidate: avoids clearing N flags for every movie.
    gathered_for: Vec<u32>,
    candidates: Vec<u32>,
    order: Vec<u32>,
}

impl Index {
    /// Number of movies in the index.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// Whether there are no movies.
    pub fn is_empty(&self) -> bool {
        self.norms.is_empty()
    }

    /// Working memory for [`Index::similar`]: 4 bytes per feature and 4 bytes per movie.
    pub fn scratch(&self) -> Scratch {
        Scratch {
            query: vec![0.0; self.weights.len()],
            gathered_for: vec![0; self.len()],
            candidates: Vec::with_capacity(CANDIDATES),
            order: Vec::new(),
        }
    }

    fn row(&self, movie: u32) -> &[u32] {
        &self.features[self.offsets[movie as usize]..self.offsets[movie as usize + 1]]
    }

    fn posting(&self, feature: u32) -> &[u32] {
        &self.postings[self.posting_offsets[feature as usize]..self.posting_offsets[feature as usize + 1]]
    }

    /// The `k` most similar movies with their cosine (greater than 0, at most 1 up to rounding), highest first, equal
    /// ones by ordinal; never the movie itself. Fewer than `k` where fewer movies share a feature.
    ///
    /// # Panics
    /// Panics when `movie` is not in the index, or `scratch` belongs to another index.
    pub fn similar(&self, movie: u32, k: usize, scratch: &mut Scratch) -> Vec<(u32, f32)> {
        self.gather(movie, scratch);
        let row = self.row(movie);
        for &feature in row {
            scratch.query[feature as usize] = self.weights[feature as usize];
        }
        let mut scored: Vec<(u32, f32)> = scratch
            .candidates
            .iter()
            .map(|&other| {
                let dot: f32 =
                    self.row(other).iter().map(|&f| scratch.query[f as usize] * self.weights[f as usize]).sum();
                (other, dot / (self.norms[movie as usize] * self.norms[other as usize]))
            })
            .collect();
        for &feature in row {
            scratch.query[feature as usize] = 0.0;
        }
        let best_first = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if scored.len() > k && k > 0 {
            scored.select_nth_unstable_by(k - 1, best_first);
        }
        scored.truncate(k);
        scored.sort_unstable_by(best_first);
        scored
    }

    /// Fills `scratch.candidates` from the movie's postings, rarest feature first, within the budget of [`CANDIDATES`].
    fn gather(&self, movie: u32, scratch: &mut Scratch) {
        scratch.candidates.clear();
        scratch.order.clear();
        scratch.order.extend_from_slice(self.row(movie));
        scratch.order.sort_unstable_by_key(|&feature| (self.posting(feature).len(), feature));
        let stamp = movie + 1;
        scratch.gathered_for[movie as usize] = stamp;
        let mut walk = 0;
        for &feature in &scratch.order {
            let posting = self.posting(feature);
            // A posting that exceeds the budget is read around the movie itself, so that different movies of one genre
            // get different candidates instead of all the same first ones.
            let room = 2 * CANDIDATES - walk;
            let here = posting.partition_point(|&other| other < movie);
            let start = here.saturating_sub(room / 2).min(posting.len().saturating_sub(room));
            for &other in posting[start..].iter().take(room) {
                walk += 1;
                if scratch.gathered_for[other as usize] != stamp {
                    scratch.gathered_for[other as usize] = stamp;
                    scratch.candidates.push(other);
                    if scratch.candidates.len() == CANDIDATES {
                        return;
                    }
                }
            }
            if walk >= 2 * CANDIDATES {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index(movies: &[Vec<u32>], weights: &[f32]) -> Index {
        let mut builder = Builder::default();
        movies.iter().for_each(|movie| builder.push(&mut movie.clone()));
        builder.build(weights)
    }

    fn brute_force(movies: &[Vec<u32>], weights: &[f32], movie: usize, k: usize) -> Vec<(u32, f32)> {
        let df = |f: u32| movies.iter().filter(|row| row.contains(&f)).count() as f32;
        let vector: Vec<Vec<f32>> = movies
            .iter()
            .map(|row| {
                (0..weights.len() as u32)
                    .map(|f| {
                        if row.contains(&f) {
                            weights[f as usize] * (1.0 + movies.len() as f32 / df(f)).ln()
                        } else {
                            0.0
                        }
                    })
                    .collect()
            })
            .collect();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let mut all: Vec<(u32, f32)> = (0..movies.len())
            .filter(|&other| other != movie)
            .map(|other| (other as u32, dot(&vector[movie], &vector[other])))
            .filter(|(_, dot)| *dot > 0.0)
            .map(|(other, d)| {
                (
                    other,
                    d / (dot(&vector[movie], &vector[movie]).sqrt()
                        * dot(&vector[other as usize], &vector[other as usize]).sqrt()),
                )
            })
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(k);
        all
    }

    #[test]
    fn a_shared_rare_feature_counts_for_more_than_a_shared_common_one() {
        // Feature 0 is everywhere, 1 only in movies 0 and 2.
        let movies = vec![vec![0, 1], vec![0, 2], vec![0, 1], vec![0, 3]];
        let index = index(&movies, &[1.0; 4]);
        let similar = index.similar(0, 3, &mut index.scratch());
        assert_eq!(similar[0].0, 2);
        assert!(similar[0].1 > 0.999 && similar[1].1 < 0.5, "{similar:?}");
    }

    #[test]
    fn a_movie_without_features_is_like_nothing() {
        let index = index(&[vec![], vec![0], vec![0]], &[1.0]);
        assert!(index.similar(0, 5, &mut index.scratch()).is_empty());
        assert_eq!(index.similar(1, 5, &mut index.scratch()).len(), 1);
    }

    #[test]
    fn beyond_the_budget_a_movie_still_finds_its_rare_kin_and_never_itself() {
        // 5,000 movies share feature 0; each hundred shares one more.
        let movies: Vec<Vec<u32>> = (0..5_000u32).map(|i| vec![0, 1 + i / 100]).collect();
        let index = index(&movies, &[1.0; 51]);
        let mut scratch = index.scratch();
        for movie in [0, 2_550, 4_999] {
            let similar = index.similar(movie, 50, &mut scratch);
            assert_eq!(similar.len(), 50);
            assert!(similar.iter().all(|(other, _)| *other != movie && other / 100 == movie / 100), "{similar:?}");
        }
    }

    proptest! {
        #[test]
        fn within_the_budget_it_equals_the_brute_force(
            movies in prop::collection::vec(prop::collection::btree_set(0u32..12, 0..6), 1..40),
            weights in prop::collection::vec(0.1f32..2.0, 12),
            k in 1usize..12,
        ) {
            let movies: Vec<Vec<u32>> = movies.into_iter().map(|set| set.into_iter().collect()).collect();
            let index = index(&movies, &weights);
            let mut scratch = index.scratch();
            for movie in 0..movies.len() {
                let ours = index.similar(movie as u32, k, &mut scratch);
                let theirs = brute_force(&movies, &weights, movie, k);
                prop_assert_eq!(ours.len(), theirs.len());
                // Equal but for rounding: compare scores by place, since near-ties may swap.
                for (a, b) in ours.iter().zip(&theirs) {
                    prop_assert!((a.1 - b.1).abs() < 1e-4, "{:?} {:?}", ours, theirs);
                }
                prop_assert!(ours.iter().all(|(other, score)| *other as usize != movie && *score > 0.0 && *score < 1.0001));
            }
        }
    }
}
