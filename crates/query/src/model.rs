//! The active recommender as readers use it: its vectors in memory.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use domain::MovieId;
use domain::preferences::Preference;
use recommender::Factors;
use recommender::als::{FoldIn, Parameters};
use recommender::interactions::Row;

/// A model's parts, as training makes them.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelParts {
    /// Ascending.
    pub movies: Vec<MovieId>,
    /// One vector a movie.
    pub factors: Factors,
    /// Per movie the summed weight of likes, and the number of viewers who interacted with it; 0 viewers: cold.
    pub counts: Vec<(f32, u32)>,
    /// Of the training.
    pub parameters: Parameters,
}

/// A loaded version.
pub struct ServingModel {
    /// The version's name.
    pub version: String,
    /// Ascending: an ordinal is an index here.
    pub movies: Vec<MovieId>,
    /// One vector a movie.
    pub factors: Factors,
    /// Whether the movie's vector is derived from its content: nobody has interacted with it.
    pub cold: Vec<bool>,
    /// Summed weight of likes a movie.
    pub popularity: Vec<f32>,
    /// Number of viewers a movie.
    pub viewers: Vec<u32>,
    /// Folds viewers in, over the movies that were trained: cold ones would change what viewers' vectors mean.
    warm: FoldIn<'static>,
    /// Ordinal of each movie among those that were trained.
    warm_of: Vec<Option<u32>>,
    parameters: Parameters,
}

/// A score and its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// About 1 for a sure like, about 0 for nothing known.
    pub score: f32,
    /// What each known movie adds, largest first; the parts sum to the score.
    pub contributions: Vec<(MovieId, f32)>,
}

impl ServingModel {
    /// From its parts.
    pub fn new(version: String, parts: ModelParts) -> Self {
        let ModelParts { movies, factors, counts, parameters } = parts;
        let warm: Vec<usize> = (0..movies.len()).filter(|&movie| counts[movie].1 > 0).collect();
        let mut trained = Factors::zeros(warm.len(), factors.factors());
        let mut warm_of = vec![None; movies.len()];
        for (row, &movie) in warm.iter().enumerate() {
            trained.row_mut(row).copy_from_slice(factors.row(movie));
            warm_of[movie] = Some(row as u32);
        }
        Self {
            version,
            cold: counts.iter().map(|count| count.1 == 0).collect(),
            popularity: counts.iter().map(|count| count.0).collect(),
            viewers: counts.iter().map(|count| count.1).collect(),
            warm: FoldIn::new(Cow::Owned(trained), &parameters),
            warm_of,
            movies,
            factors,
            parameters,
        }
    }

    /// Settings of its training.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The movie's ordinal; `None`: the model does not know it.
    pub fn ordinal(&self, movie: MovieId) -> Option<usize> {
        self.movies.binary_search(&movie).ok()
    }

    /// The vector of a viewer with these preferences, by the exact solution that training gives. Movies that the model
    /// was not trained on are left out; zeros where none is left.
    pub fn fold_in(&self, preferences: &[(MovieId, Preference)]) -> Vec<f32> {
        let (columns, values) = self.history(preferences);
        self.warm.vector(Row::new(&columns, Some(&values)))
    }

    /// The trained movies' vectors, ready to fold viewers in; its items are [`ServingModel::trained_movies`].
    pub fn trained_fold_in(&self) -> &FoldIn<'static> {
        &self.warm
    }

    /// The movies that were trained, ascending.
    pub fn trained_movies(&self) -> Vec<MovieId> {
        self.movies.iter().zip(&self.warm_of).filter(|pair| pair.1.is_some()).map(|pair| *pair.0).collect()
    }

    /// Ordinal of a movie among those that were trained.
    pub fn trained(&self, movie: MovieId) -> Option<u32> {
        self.warm_of[self.ordinal(movie)?]
    }

    /// The score of a movie, by ordinal, for a viewer's vector.
    pub fn score(&self, vector: &[f32], ordinal: usize) -> f32 {
        vector.iter().zip(self.factors.row(ordinal)).map(|(a, b)| a * b).sum()
    }

    /// The scores of all movies, by ordinal.
    pub fn scores(&self, vector: &[f32]) -> Vec<f32> {
        (0..self.movies.len()).map(|ordinal| self.score(vector, ordinal)).collect()
    }

    /// Explains a movie's score by the viewer's preferences; `None` for a movie that was not trained.
    pub fn explain(&self, preferences: &[(MovieId, Preference)], movie: MovieId) -> Option<Explained> {
        let item = self.trained(movie)?;
        let (columns, values) = self.history(preferences);
        let explanation = self.warm.explain(Row::new(&columns, Some(&values)), item);
        let trained = self.trained_movies();
        let named = |part: &recommender::als::Contribution| (trained[part.item as usize], part.amount);
        Some(Explained {
            score: explanation.score,
            contributions: explanation.contributions.iter().map(named).collect(),
        })
    }

    /// As a row over the trained movies: weights, negative for dislikes. Of a movie named twice the first counts.
    fn history(&self, preferences: &[(MovieId, Preference)]) -> (Vec<u32>, Vec<f32>) {
        let mut pairs: Vec<(u32, f32)> = preferences
            .iter()
            .filter(|(_, preference)| preference.weight > 0.0 && preference.weight.is_finite())
            .filter_map(|(movie, preference)| {
                Some((self.trained(*movie)?, if preference.liked { preference.weight } else { -preference.weight }))
            })
            .collect();
        pairs.sort_by_key(|pair| pair.0);
        pairs.dedup_by_key(|pair| pair.0);
        pairs.into_iter().unzip()
    }
}

impl std::fmt::Debug for ServingModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServingModel").field("version", &self.version).field("movies", &self.movies.len()).finish()
    }
}

/// Holds the active version for a process and replaces it when another one becomes active.
#[derive(Debug, Default)]
pub struct ActiveModel(RwLock<Option<Arc<ServingModel>>>);

impl ActiveModel {
    /// The active version; `None` before the first was promoted, or loaded.
    pub fn current(&self) -> Option<Arc<ServingModel>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
