//! The active recommender as readers use it: its vectors in memory, loaded from the object store.
//!
//! Every version has ALS vectors, whatever computes its nightly lists: they carry the real-time layer.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use domain::MovieId;
use domain::preferences::Preference;
use recommender::als::{FoldIn, Parameters};
use recommender::interactions::Row;
use recommender::{Factors, npy};
use sqlx::PgPool;
use storage::StorageError;
use storage::changes::Change;
use storage::objects::{ObjectFile, Objects};
use storage::postgres::models;
use tokio::sync::broadcast;

/// The movies' ids, ascending: `int64`.
const ITEMS: &str = "items.npy";
/// One vector a movie, in the order of [`ITEMS`]: `float32`.
const FACTORS: &str = "item_factors.npy";
/// Two numbers a movie: the summed weight of likes, and the number of viewers who interacted with it.
const COUNTS: &str = "item_counts.npy";
/// The [`Parameters`] of the training.
const PARAMETERS: &str = "model.json";

/// Interval of asking which version is active. Notifications are faster; this is for those that were lost.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Pause after a model could not be loaded.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

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

impl ModelParts {
    /// Writes the files of a version.
    ///
    /// # Errors
    /// The object store's.
    pub async fn store(&self, objects: &Objects, version: &str) -> Result<Vec<ObjectFile>, StorageError> {
        let directory = models::directory(version);
        let ids: Vec<i64> = self.movies.iter().map(|movie| movie.get()).collect();
        let mut counts = Factors::zeros(self.counts.len(), 2);
        for (row, &(weight, viewers)) in self.counts.iter().enumerate() {
            counts.row_mut(row).copy_from_slice(&[weight, viewers as f32]);
        }
        let mut files = Vec::new();
        for (name, content) in [
            (ITEMS, written(|out| npy::write_ids(&ids, out))?),
            (FACTORS, written(|out| npy::write(&self.factors, out))?),
            (COUNTS, written(|out| npy::write(&counts, out))?),
            (PARAMETERS, Bytes::from(serde_json::to_vec_pretty(&self.parameters)?)),
        ] {
            files.push(objects.put(&directory, name, content).await?);
        }
        Ok(files)
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Result<Bytes, StorageError> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    Ok(bytes.into())
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
    /// The movies that were trained, ascending.
    warm_movies: Vec<MovieId>,
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
    /// Loads a version from the object store.
    ///
    /// # Errors
    /// [`StorageError::Vanished`] for an unknown version or a missing file, [`StorageError::Corrupt`] for a file that is
    /// not what was written; else the stores' errors.
    pub async fn load(objects: &Objects, pool: &PgPool, version: &str) -> Result<Self, StorageError> {
        let row = models::get(pool, version)
            .await?
            .ok_or_else(|| StorageError::Vanished(format!("version {version} of the recommender")))?;
        let directory = models::directory(version);
        let mut contents = Vec::new();
        for name in [ITEMS, FACTORS, COUNTS, PARAMETERS] {
            let file = row.files.iter().find(|file| file.name == name);
            let file = file.ok_or_else(|| corrupt(version, format!("{name} is not registered")))?;
            contents.push(objects.get(&directory, file).await?);
        }
        let version = version.to_owned();
        // Some hundred MB are parsed, and multiplied once.
        tokio::task::spawn_blocking(move || Self::of(version, &contents))
            .await
            .map_err(|error| StorageError::Corrupt(format!("loading the model broke off: {error}")))?
    }

    fn of(version: String, contents: &[Bytes]) -> Result<Self, StorageError> {
        let [items, factors, counts, parameters] = contents else {
            return Err(corrupt(&version, "it has other files"));
        };
        let ids = npy::read_ids(&items[..]).map_err(|error| corrupt(&version, error))?;
        let factors = npy::read(&factors[..]).map_err(|error| corrupt(&version, error))?;
        let counts = npy::read(&counts[..]).map_err(|error| corrupt(&version, error))?;
        let parameters: Parameters = serde_json::from_slice(parameters)?;
        parameters.check().map_err(|error| corrupt(&version, error))?;
        let movies: Vec<MovieId> =
            ids.into_iter().map(MovieId::new).collect::<Result<_, _>>().map_err(|error| corrupt(&version, error))?;
        let counts_fit = counts.rows() == movies.len() && (counts.factors() == 2 || movies.is_empty());
        if !movies.is_sorted_by(|a, b| a < b) || factors.rows() != movies.len() || !counts_fit {
            return Err(corrupt(&version, "its files do not fit together"));
        }
        if factors.factors() != parameters.factors {
            return Err(corrupt(&version, "its vectors have another length than model.json says"));
        }
        let counts = (0..movies.len()).map(|movie| (counts.row(movie)[0], counts.row(movie)[1] as u32)).collect();
        Ok(Self::new(version, ModelParts { movies, factors, counts, parameters }))
    }

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
            warm_movies: warm.iter().map(|&movie| movies[movie]).collect(),
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
    pub fn trained_movies(&self) -> &[MovieId] {
        &self.warm_movies
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
        let named = |part: &recommender::als::Contribution| (self.warm_movies[part.item as usize], part.amount);
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

fn corrupt(version: &str, reason: impl std::fmt::Display) -> StorageError {
    StorageError::Corrupt(format!("version {version} of the recommender: {reason}"))
}

/// Holds the active version for a process and replaces it when another one becomes active.
#[derive(Debug, Default)]
pub struct ActiveModel(RwLock<Option<Arc<ServingModel>>>);

impl ActiveModel {
    /// The active version; `None` before the first was promoted, or loaded.
    pub fn current(&self) -> Option<Arc<ServingModel>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads the version that is active now, if it is another one. Returns whether it was replaced.
    ///
    /// # Errors
    /// As [`ServingModel::load`]; the version before stays.
    pub async fn refresh(&self, objects: &Objects, pool: &PgPool) -> Result<bool, StorageError> {
        let active = models::active(pool).await?;
        if active == self.current().map(|model| model.version.clone()) {
            return Ok(false);
        }
        let model = match active {
            Some(version) => Some(Arc::new(ServingModel::load(objects, pool, &version).await?)),
            None => None,
        };
        if let Some(model) = &model {
            tracing::info!(version = model.version, movies = model.movies.len(), "another model is active");
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = model;
        Ok(true)
    }

    /// Follows promotions and rollbacks for as long as the process runs. Subscribe before the feed starts: its first
    /// message is [`Change::Everything`], which triggers the first load. `swapped` is called after each replacement.
    pub async fn follow(
        self: Arc<Self>,
        objects: Objects,
        pool: PgPool,
        mut changes: broadcast::Receiver<Change>,
        swapped: impl Fn() + Send,
    ) {
        use broadcast::error::RecvError;
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Ok(Change::Model(_) | Change::Everything) | Err(RecvError::Lagged(_)) => {}
                    Ok(_) => continue,
                    Err(RecvError::Closed) => return,
                },
                _ = poll.tick() => {}
            }
            match self.refresh(&objects, &pool).await {
                Ok(replaced) => {
                    failing = false;
                    if replaced {
                        swapped();
                    }
                }
                Err(error) => {
                    // Log once per outage.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "the active model cannot be loaded; the one before goes on");
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                    poll.reset_immediately();
                }
            }
        }
    }
}
