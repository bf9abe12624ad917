//! Runs train-model: ALS on all preferences, vectors of cold movies from their content, and the choice of the algorithm
//! that computes the lists.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::jobs::TrainModel;
use query::model::ModelParts;
use recommender::als::{self, FoldIn, Parameters};
use recommender::cold::ContentMap;
use recommender::interactions::Interactions;
use recommender::{Factors, Rows, defaults};
use serde_json::{Value, json};
use settings::RecommenderSettings;
use storage::postgres::models::{self, MovieVector, NewModel};
use storage::postgres::viewers;

use super::Run;
use crate::recommender::algorithm::{DECIDING, lists};
use crate::recommender::gate::VIEWERS_MIN;
use crate::recommender::held_out::Role;
use crate::recommender::{Algorithm, Dataset, HeldOut, Reported, VersionParameters, content};
use crate::{JobContext, JobError, Shared, Stop, Stopped};

/// Movies that a model covers, the most popular ones: with 64 factors 50 MB in each process, and as much in the index.
const MOVIES_MAX: i64 = 200_000;

/// Fewest viewers of a movie whose vector teaches the map from content to vectors.
const CONTENT_VIEWERS_MIN: usize = 3;

/// λ of that map, against features that occur once a movie.
const CONTENT_RIDGE: f32 = 10.0;

/// Most pairs with which ALS is trained once for each setting of the grid: at two million, a run takes some seconds.
const TUNED_PAIRS_MAX: usize = 2_000_000;

/// Weights of unobserved pairs, and regularisations, that are tried on the validation viewers, the usual ones first. What
/// fits MovieLens overfits data in which tastes differ little; the real-time layer would recommend noise.
const UNOBSERVED_WEIGHTS: [f32; 3] = [defaults::UNOBSERVED_WEIGHT, 0.1, 1.0];
const REGULARISATIONS: [f32; 3] = [defaults::REGULARISATION, 0.03, 0.1];

impl Run for TrainModel {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(shared, context, Utc::now()).await
    }
}

async fn run(shared: &Shared, context: &JobContext, now: DateTime<Utc>) -> Result<Value, JobError> {
    if let Some(version) = models::trained_by(context.pool(), context.job_id).await? {
        return Ok(json!({ "outcome": "trained", "version": version }));
    }
    let settings = &shared.settings.recommender;
    let held_out = HeldOut::of(adopt_raters(context).await?);
    let catalogue = models::catalogue(context.pool(), MOVIES_MAX).await?;
    let dataset = Dataset::load(context, catalogue.clone(), &settings.weights, held_out, now).await?;
    if dataset.training().is_empty() {
        // A new installation: its nights must not be red for want of viewers.
        return Ok(json!({
            "outcome": "nothing_to_train",
            "reason": "no viewer has rated, liked or watched a movie yet; import ratings or send events",
        }));
    }
    let features = content::read(context, &catalogue).await?;
    let input = Input { catalogue, dataset, features, held_out, now, settings: settings.clone() };
    let inner = context.clone();
    let made = context.blocking(move |stop| make(input, &inner, stop)).await??;
    register(shared, context, made, now).await
}

/// Makes sources' raters viewers; returns the number of viewers.
async fn adopt_raters(context: &JobContext) -> Result<u64, JobError> {
    let mut tx = context.begin().await?;
    viewers::adopt_raters(&mut tx).await?;
    let viewers = models::viewers(&mut *tx).await?;
    tx.commit().await?;
    Ok(viewers.unsigned_abs())
}

struct Input {
    catalogue: Vec<MovieId>,
    dataset: Dataset,
    /// One row a movie of the catalogue.
    features: Rows,
    held_out: HeldOut,
    now: DateTime<Utc>,
    settings: RecommenderSettings,
}

struct Made {
    parts: ModelParts,
    algorithm: Algorithm,
    parameters: VersionParameters,
    fingerprint: String,
    viewers: usize,
    interactions: usize,
}

fn make(input: Input, context: &JobContext, stop: &Stop) -> Result<Result<Made, JobError>, Stopped> {
    let Input { catalogue, dataset, features, held_out, now, settings } = input;
    let dataset = dataset.trained_movies_only();
    let train = dataset.training();
    let model = match train_als(&dataset, &train, &settings, context, stop)? {
        Ok(model) => model,
        Err(error) => return Ok(Err(JobError::Permanent(error.to_string()))),
    };
    let parameters = model.parameters.clone();
    context.progress(0, None, "choosing the algorithm of the lists");
    let ease_regularisation = settings.ease_regularisation.unwrap_or(defaults::EASE_REGULARISATION);
    let validation = validate(&dataset, &train, &model.items, &parameters, ease_regularisation, stop)?;
    // The first of equals: the simpler algorithm.
    let best = validation.iter().copied().reduce(|best, other| if other.1 > best.1 { other } else { best });
    let algorithm = best.map_or(Algorithm::Als, |best| best.0);
    stop.check()?;
    context.progress(0, None, "vectors of movies without viewers");
    let parts = parts(&catalogue, &dataset, &train, &model.items, &features, &parameters);
    Ok(Ok(Made {
        parts,
        algorithm,
        parameters: VersionParameters { ease_regularisation, held_out, trained_at: now, validation },
        fingerprint: dataset.fingerprint.clone(),
        viewers: train.viewers().height(),
        interactions: train.len(),
    }))
}

/// Trains ALS; with several settings where there are few enough pairs, and viewers to choose by.
fn train_als(
    dataset: &Dataset,
    train: &Interactions,
    settings: &RecommenderSettings,
    context: &JobContext,
    stop: &Stop,
) -> Result<Result<als::Model, als::Error>, Stopped> {
    let tested = dataset.tested(Role::Validation, |_| true);
    let mut candidates = grid(settings);
    if train.len() > TUNED_PAIRS_MAX || tested.viewers.len() < VIEWERS_MIN {
        candidates.truncate(1);
    }
    let mut best: Option<(f64, als::Model)> = None;
    for parameters in &candidates {
        let model = match als::train(train, parameters, &Reported { context, stop, phase: "training" }) {
            Ok(model) => model,
            Err(als::Error::Cancelled) => return Err(Stopped),
            Err(error) => return Ok(Err(error)),
        };
        let mean = match candidates.len() {
            1 => 0.0,
            _ => mean(&DECIDING.of(&lists(&model.fold_in(), &tested, stop)?, &tested.held)),
        };
        if best.as_ref().is_none_or(|best| mean > best.0) {
            best = Some((mean, model));
        }
    }
    Ok(best.map(|best| best.1).ok_or(als::Error::Empty))
}

/// The settings to try, the usual one first.
fn grid(settings: &RecommenderSettings) -> Vec<Parameters> {
    let tried = |fixed: Option<f32>, usual: &[f32]| fixed.map_or_else(|| usual.to_vec(), |value| vec![value]);
    let weights = tried(settings.unobserved_weight, &UNOBSERVED_WEIGHTS);
    let of = |unobserved_weight: f32| {
        tried(settings.regularisation, &REGULARISATIONS).into_iter().map(move |regularisation| Parameters {
            factors: settings.factors,
            iterations: settings.iterations,
            seed: settings.seed,
            unobserved_weight,
            regularisation,
            ..Parameters::default()
        })
    };
    weights.into_iter().flat_map(of).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The mean of the deciding metric of each algorithm on the validation viewers; nothing where there are none.
fn validate(
    dataset: &Dataset,
    train: &Interactions,
    items: &Factors,
    parameters: &Parameters,
    ease_regularisation: f32,
    stop: &Stop,
) -> Result<Vec<(Algorithm, f64)>, Stopped> {
    let tested = dataset.tested(Role::Validation, |_| true);
    if tested.viewers.len() < VIEWERS_MIN {
        return Ok(Vec::new());
    }
    let als = FoldIn::new(Cow::Borrowed(items), parameters);
    let mut means = Vec::new();
    for algorithm in Algorithm::ALL {
        stop.check()?;
        let Some(model) = algorithm.fit(train, &als, ease_regularisation) else { continue };
        let values = DECIDING.of(&lists(&*model, &tested, stop)?, &tested.held);
        means.push((algorithm, mean(&values)));
    }
    Ok(means)
}

/// All movies' vectors in catalogue order: trained ones, and for the others those that their content suggests.
fn parts(
    catalogue: &[MovieId],
    dataset: &Dataset,
    train: &Interactions,
    items: &Factors,
    features: &Rows,
    parameters: &Parameters,
) -> ModelParts {
    let mut factors = Factors::zeros(catalogue.len(), items.factors());
    let mut counts = vec![(0f32, 0u32); catalogue.len()];
    let (mut offsets, mut viewers) = (vec![0], Vec::new());
    for (at, movie) in catalogue.iter().enumerate() {
        if let Ok(item) = dataset.movies.binary_search(movie) {
            factors.row_mut(at).copy_from_slice(items.row(item));
            let row = train.items().row(item);
            counts[at] = (row.iter().map(|pair| pair.1.max(0.0)).sum(), row.len() as u32);
            viewers.extend_from_slice(row.columns);
        }
        offsets.push(viewers.len());
    }
    let interactions = Rows::from_parts(offsets, viewers, None, train.viewers().height());
    match ContentMap::fit(features, &factors, &interactions, CONTENT_VIEWERS_MIN, CONTENT_RIDGE) {
        Ok(map) => {
            for at in (0..catalogue.len()).filter(|&at| counts[at].1 == 0) {
                factors.row_mut(at).copy_from_slice(&map.vector(features.row(at).iter()));
            }
        }
        // Without a map cold movies have zero vectors: they are recommended last.
        Err(error) => tracing::warn!(%error, "movies without viewers get no vectors"),
    }
    ModelParts { movies: catalogue.to_vec(), factors, counts, parameters: parameters.clone() }
}

async fn register(shared: &Shared, context: &JobContext, made: Made, now: DateTime<Utc>) -> Result<Value, JobError> {
    context.progress(0, None, "storing the model");
    // By the time of the job: an attempt after this one overwrites its files.
    let started = context
        .job_id
        .0
        .get_timestamp()
        .and_then(|time| DateTime::from_timestamp(i64::try_from(time.to_unix().0).ok()?, 0));
    let version = models::free_version(context.pool(), started.unwrap_or(now)).await?;
    let files = made.parts.store(&shared.objects, &version).await?;
    let (movies, factors) = (&made.parts.movies, made.parts.parameters.factors as i32);
    let mut tx = context.begin().await?;
    let mut parameters = json!(made.parts.parameters);
    merge(&mut parameters, json!(made.parameters));
    let new = NewModel {
        version: version.clone(),
        algorithm: made.algorithm.as_str(),
        job_id: context.job_id,
        parameters,
        fingerprint: made.fingerprint,
        viewers: made.viewers as i64,
        movies: movies.len() as i64,
        interactions: made.interactions as i64,
        factors,
        files,
    };
    models::register(&mut tx, &new).await?;
    for start in (0..movies.len()).step_by(models::VECTORS_CHUNK) {
        let chunk: Vec<MovieVector<'_>> = (start..movies.len().min(start + models::VECTORS_CHUNK))
            .map(|at| MovieVector {
                movie_id: movies[at],
                vector: made.parts.factors.row(at),
                cold: made.parts.counts[at].1 == 0,
            })
            .collect();
        models::write_vectors(&mut tx, &version, &chunk).await?;
        context.progress(start as i64, Some(movies.len() as i64), "storing vectors");
    }
    context.progress(0, None, "indexing vectors");
    models::index_vectors(&mut tx, &version, factors).await?;
    tx.commit().await?;
    Ok(json!({
        "outcome": "trained",
        "version": version,
        "algorithm": made.algorithm,
        "viewers": new.viewers,
        "movies": new.movies,
        "interactions": new.interactions,
        "validation": made.parameters.validation,
    }))
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
