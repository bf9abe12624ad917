//! Computes batch_recommendations: every viewer's list by the active model, over the facts of now.

use chrono::Utc;
use domain::artifacts::Artifact;
use domain::jobs::GenerateRecommendations;
use domain::{MovieId, RunId};
use query::model::ServingModel;
use recommender::Recommender;
use recommender::evaluation::DEPTH;
use serde_json::{Value, json};
use storage::postgres::batch::recommendations::{self, ViewerList};
use storage::postgres::models;
use tokio::sync::mpsc;

use super::{Run, evaluate_model, publish};
use crate::recommender::{Algorithm, Dataset, VersionParameters};
use crate::{JobContext, JobError, Shared, Stop, Stopped};

/// Viewers scored and staged at a time: about 2 MB of rows.
const CHUNK: usize = 1_000;

/// Chunks that are scored ahead of the database.
const AHEAD: usize = 2;

impl Run for GenerateRecommendations {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        let Some(version) = models::active(context.pool()).await? else {
            return Ok(json!({ "outcome": "no_model", "reason": "no model is active; run train-recommender" }));
        };
        let mut result = run(shared, context, &version, self.force).await?;
        result["version"] = json!(version);
        Ok(result)
    }
}

async fn run(shared: &Shared, context: &JobContext, version: &str, force: bool) -> Result<Value, JobError> {
    let now = Utc::now();
    publish::staged(context, Artifact::BatchRecommendations, now.date_naive(), force, |run| async move {
        let row = evaluate_model::registered(context, version).await?;
        let parameters: VersionParameters = serde_json::from_value(row.parameters)
            .map_err(|_| JobError::Permanent(format!("version {version} has unknown parameters; train a new one")))?;
        let model = ServingModel::load(&shared.objects, context.pool(), version).await?;
        let weights = &shared.settings.recommender.weights;
        let dataset =
            Dataset::load(context, model.trained_movies().to_vec(), weights, parameters.held_out, now).await?;
        let hidden = models::not_shown(context.pool(), &dataset.movies).await?;
        let never = dataset.movies.iter().zip(0..).filter(|(movie, _)| hidden.contains(&movie.get()));
        let scoring = Scoring {
            never: never.map(|pair| pair.1).collect(),
            algorithm: Algorithm::named(&row.algorithm).unwrap_or(Algorithm::Als),
            ease_regularisation: parameters.ease_regularisation,
            dataset,
            model,
        };
        stage(context, run, scoring).await
    })
    .await
}

struct Scoring {
    model: ServingModel,
    algorithm: Algorithm,
    ease_regularisation: f32,
    dataset: Dataset,
    /// Ordinals of movies that nobody is shown.
    never: Vec<u32>,
}

/// Scores on a blocking thread while earlier chunks are written; returns the number of lists.
async fn stage(context: &JobContext, run: RunId, scoring: Scoring) -> Result<u64, JobError> {
    let total = scoring.dataset.viewers.len() as i64;
    let mut tx = context.begin().await?;
    recommendations::open(&mut tx, run).await?;
    tx.commit().await?;
    let (sender, receiver) = mpsc::channel::<Vec<ViewerList>>(AHEAD);
    let scored = context.blocking(move |stop| score(&scoring, &sender, stop));
    let written = async move {
        // Dropped with a failure, so that the thread does not wait for room.
        let mut chunks = receiver;
        let mut done = 0;
        while let Some(lists) = chunks.recv().await {
            let mut tx = context.begin().await?;
            recommendations::stage(&mut *tx, run, &lists).await?;
            tx.commit().await?;
            done += lists.len() as i64;
            context.progress(done, Some(total), "scoring viewers");
        }
        Ok::<_, JobError>(())
    };
    let (scored, written) = futures::join!(scored, written);
    written?;
    scored?;
    let mut tx = context.begin().await?;
    let lists = recommendations::without_forgotten(&mut tx, run).await?;
    tx.commit().await?;
    Ok(lists)
}

fn score(scoring: &Scoring, chunks: &mpsc::Sender<Vec<ViewerList>>, stop: &Stop) -> Result<(), Stopped> {
    let Scoring { model, algorithm, ease_regularisation, dataset, never } = scoring;
    let train = dataset.training();
    let als: &dyn Recommender = model.trained_fold_in();
    let fitted = algorithm.fit_or_als(&train, als, *ease_regularisation);
    let viewers = dataset.viewers.len();
    for start in (0..viewers).step_by(CHUNK) {
        stop.check()?;
        let range = start..viewers.min(start + CHUNK);
        let (histories, seen) = dataset.histories(range.clone(), never);
        let lists = fitted.recommend(&histories, &seen, DEPTH);
        let named = |list: Vec<(u32, f32)>| -> Vec<(MovieId, f32)> {
            list.into_iter().map(|(item, score)| (dataset.movies[item as usize], score)).collect()
        };
        let lists = range.zip(lists).map(|(at, list)| ViewerList { viewer: dataset.viewers[at], movies: named(list) });
        // Closed: writing failed, and its error is the attempt's.
        if chunks.blocking_send(lists.filter(|list| !list.movies.is_empty()).collect()).is_err() {
            return Err(Stopped);
        }
    }
    Ok(())
}
