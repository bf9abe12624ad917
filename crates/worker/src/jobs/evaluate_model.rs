//! Runs evaluate-model: a version's metrics on viewers that it was not trained on, beside popularity, kNN and the active
//! version.

use std::collections::BTreeMap;

use chrono::Utc;
use domain::jobs::{EvaluateModel, JobKind};
use query::model::ServingModel;
use recommender::evaluation::{Metric, catalogue, interval, paired};
use recommender::interactions::Interactions;
use serde_json::{Value, json};
use storage::postgres::models::{self, ModelRow};

use super::Run;
use crate::recommender::algorithm::{DECIDING, OtherCatalogue, lists};
use crate::recommender::dataset::Tested;
use crate::recommender::gate::{self, Comparison};
use crate::recommender::held_out::Role;
use crate::recommender::{Algorithm, Dataset, VersionParameters};
use crate::{JobContext, JobError, Shared, Stop, Stopped};

/// What is measured.
const METRICS: [Metric; 4] = [DECIDING, Metric::Ndcg(10), Metric::Recall(20), Metric::HitRate(10)];

/// Depth of coverage, Gini and novelty.
const CATALOGUE_DEPTH: usize = 10;

impl Run for EvaluateModel {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        match version(context, self.version).await? {
            Some(version) => run(shared, context, &version).await,
            None => Ok(json!({ "outcome": "no_model", "reason": "no model was trained; run train-model" })),
        }
    }
}

/// The version that a step works on: the one that was asked for, that the chain has trained, or the newest. `None`: the
/// chain has trained none.
pub(super) async fn version(context: &JobContext, asked: Option<String>) -> Result<Option<String>, JobError> {
    if asked.is_some() {
        return Ok(asked);
    }
    match context.result_of(JobKind::TrainModel) {
        Some(trained) => Ok(trained["version"].as_str().map(str::to_owned)),
        None => Ok(models::newest(context.pool()).await?),
    }
}

/// A version with what its evaluation needs.
struct Version {
    model: ServingModel,
    algorithm: Algorithm,
    parameters: VersionParameters,
}

async fn load(shared: &Shared, context: &JobContext, version: &str) -> Result<Version, JobError> {
    let row = registered(context, version).await?;
    let unknown = |what: &str| JobError::Permanent(format!("version {version} has an unknown {what}; train a new one"));
    let algorithm = Algorithm::named(&row.algorithm).ok_or_else(|| unknown("algorithm"))?;
    let parameters = serde_json::from_value(row.parameters).map_err(|_| unknown("set of parameters"))?;
    let model = ServingModel::load(&shared.objects, context.pool(), version).await?;
    Ok(Version { model, algorithm, parameters })
}

/// The version's row.
pub(super) async fn registered(context: &JobContext, version: &str) -> Result<ModelRow, JobError> {
    let row = models::get(context.pool(), version).await?;
    row.ok_or_else(|| JobError::Permanent(format!("there is no version {version}; GET /admin/models lists them")))
}

async fn run(shared: &Shared, context: &JobContext, version: &str) -> Result<Value, JobError> {
    let ours = load(shared, context, version).await?;
    let active = models::active(context.pool()).await?.filter(|active| active != version);
    let theirs = match &active {
        None => Ok(None),
        Some(active) => match load(shared, context, active).await {
            Ok(theirs) => Ok(Some(theirs)),
            // A damaged model cannot be served either; it must not keep its successors out.
            Err(JobError::Permanent(error)) => Err(error),
            Err(error) => return Err(error),
        },
    };
    let parameters = &ours.parameters;
    let dataset = Dataset::load(
        context,
        ours.model.trained_movies().to_vec(),
        &shared.settings.recommender.weights,
        parameters.held_out,
        parameters.trained_at,
    )
    .await?;
    context.progress(0, None, "evaluating");
    let (mut metrics, comparison) = context.blocking(move |stop| measure(&ours, theirs, &dataset, stop)).await?;
    metrics["evaluated_at"] = json!(Utc::now());
    metrics["gate"] = json!({
        "against": active,
        "passes": comparison.refusal().is_none(),
        "reason": comparison.refusal().unwrap_or_else(|| comparison.passed()),
    });
    let mut tx = context.begin().await?;
    models::set_metrics(&mut *tx, version, &metrics).await?;
    tx.commit().await?;
    Ok(json!({ "version": version, "verdict": metrics["verdict"], "gate": metrics["gate"] }))
}

/// The metrics, and the comparison with the active version.
fn measure(
    ours: &Version,
    theirs: Result<Option<Version>, String>,
    dataset: &Dataset,
    stop: &Stop,
) -> Result<(Value, Comparison), Stopped> {
    let train = dataset.training();
    let tested = dataset.tested(Role::Test, |_| true);
    let als = ours.model.trained_fold_in();
    let mut shown = BTreeMap::new();
    let mut deciding = Vec::new();
    for (name, algorithm) in [("model", ours.algorithm), ("popularity", Algorithm::Popularity), ("knn", Algorithm::Knn)]
    {
        let fitted = algorithm.fit_or_als(&train, als, ours.parameters.ease_regularisation);
        let lists = lists(&*fitted, &tested, stop)?;
        deciding.push(DECIDING.of(&lists, &tested.held));
        shown.insert(name, described(&lists, &tested, &train));
    }
    let verdict =
        gate::in_words(paired(&deciding[0], &deciding[1]), paired(&deciding[0], &deciding[2]), tested.viewers.len());
    let (comparison, active) = compare(ours, theirs, dataset, &train, stop)?;
    let mut metrics = json!({
        "protocol": "viewers held out, folded in on all but the newest fifth of their likes, full catalogue",
        "viewers": tested.viewers.len(),
        "held_out_items": tested.held.len(),
        "verdict": verdict,
        "results": shown,
    });
    if let Some(active) = active {
        metrics["active"] = active;
    }
    Ok((metrics, comparison))
}

fn described(lists: &[Vec<u32>], tested: &Tested, train: &Interactions) -> Value {
    let mut described = serde_json::Map::new();
    for metric in METRICS {
        let measured = interval(&metric.of(lists, &tested.held));
        described.insert(metric.to_string().to_lowercase(), gate::shown(measured));
    }
    let c = catalogue(lists, CATALOGUE_DEPTH, train);
    described.insert("coverage@10".into(), json!(c.coverage));
    described.insert("gini@10".into(), json!(c.gini));
    described.insert("novelty@10".into(), json!(c.novelty));
    Value::Object(described)
}

/// Compares with the active version on viewers that neither was trained on.
fn compare(
    ours: &Version,
    theirs: Result<Option<Version>, String>,
    dataset: &Dataset,
    train: &Interactions,
    stop: &Stop,
) -> Result<(Comparison, Option<Value>), Stopped> {
    let theirs = match theirs {
        Ok(Some(theirs)) => theirs,
        Ok(None) => return Ok((Comparison::NoneActive, None)),
        Err(error) => return Ok((Comparison::Unreadable(error), None)),
    };
    let both = dataset.tested(Role::Test, |viewer| theirs.parameters.held_out.role(viewer) == Role::Test);
    let viewers = both.viewers.len();
    if viewers < gate::VIEWERS_MIN {
        return Ok((Comparison::TooFew(viewers), None));
    }
    let als = ours.model.trained_fold_in();
    let fitted = ours.algorithm.fit_or_als(train, als, ours.parameters.ease_regularisation);
    let our_lists = lists(&*fitted, &both, stop)?;
    let other = OtherCatalogue::new(&theirs.model, &dataset.movies);
    let fitted = theirs.algorithm.fit_or_als(train, &other, theirs.parameters.ease_regularisation);
    let their_lists = lists(&*fitted, &both, stop)?;
    let difference = paired(&DECIDING.of(&our_lists, &both.held), &DECIDING.of(&their_lists, &both.held));
    let shown = json!({
        "version": theirs.model.version,
        "viewers": viewers,
        "result": described(&their_lists, &both, train),
        "difference": gate::shown(difference),
    });
    Ok((Comparison::Paired { difference, viewers }, Some(shown)))
}
