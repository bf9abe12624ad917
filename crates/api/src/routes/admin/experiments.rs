//! Experiments: variants of the recommendations for shares of the viewers, and what they are worth.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use domain::experiments::{Comparison, Design, Feedback, Variant, VariantSettings, compare, is_name, validate};
use domain::page::Page;
use serde::{Deserialize, Serialize};
use storage::postgres::experiments::{self, Experiment, NotStarted};
use utoipa::ToSchema;

use super::fresh;
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{Body, Params};
use crate::routes::List;
use crate::routes::params::Paging;

/// An experiment to start.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExperimentRequest {
    /// 2 to 10 variants; the first is the control.
    variants: Vec<Variant>,
    test: Design,
}

/// A variant, and what its viewers did.
#[derive(Debug, Serialize, ToSchema)]
pub struct VariantBody {
    name: String,
    share: f64,
    settings: VariantSettings,
    /// Viewers of whom an event names a list of this variant.
    viewers: i64,
    impressions: i64,
    clicks: i64,
    /// Clicks per impression.
    ctr: Option<f64>,
    /// Against the control; null for the control itself, and while either has fewer than 30 viewers.
    against_control: Option<Comparison>,
}

/// An experiment and its results.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExperimentBody {
    #[schema(example = "more-realtime")]
    name: String,
    #[schema(example = "running")]
    status: &'static str,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    test: Design,
    variants: Vec<VariantBody>,
    /// What the numbers say so far, in words.
    verdict: String,
}

/// List experiments with their results, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/experiments", operation_id = "list_experiments", tag = "admin", params(Paging),
    responses((status = 200, body = List<ExperimentBody>)),
)]
pub async fn list(state: Data<State>, Params(paging): Params<Paging>) -> Result<HttpResponse, ApiError> {
    let page = Page::from(paging);
    let (experiments, total) = experiments::page(&state.pool, page).await?;
    let mut items = Vec::with_capacity(experiments.len());
    for experiment in experiments {
        items.push(with_results(&state, experiment).await?);
    }
    Ok(fresh(&List { items, total, limit: page.limit, offset: page.offset }))
}

/// Show an experiment with its results.
#[utoipa::path(
    get, path = "/api/v1/admin/experiments/{name}", operation_id = "experiment", tag = "admin",
    params(("name" = String, Path)),
    responses((status = 200, body = ExperimentBody), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn show(state: Data<State>, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let found = experiments::find(&state.pool, &name).await?.ok_or_else(|| no_experiment(&name))?;
    Ok(fresh(&with_results(&state, found).await?))
}

/// Start an experiment. It takes effect within a second or two; one runs at a time.
///
/// The same request again changes nothing. A name is used once, so that results are of one definition.
#[utoipa::path(
    put, path = "/api/v1/admin/experiments/{name}", operation_id = "start_experiment", tag = "admin",
    params(("name" = String, Path)),
    request_body(content = ExperimentRequest, content_type = "application/json"),
    responses(
        (status = 200, body = ExperimentBody),
        (status = 409, description = "Another one runs, or the name was used", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn start(
    state: Data<State>,
    name: Path<String>,
    Body(request): Body<ExperimentRequest>,
) -> Result<HttpResponse, ApiError> {
    if !is_name(&name) {
        return Err(ApiError::invalid(
            "name",
            "must be 1 to 64 of a-z, 0-9, - and _, and begin with a letter or digit",
        ));
    }
    validate(&request.variants, &request.test).map_err(|error| ApiError::invalid("variants", error.to_string()))?;
    let started = experiments::start(&state.pool, &name, &request.variants, &request.test).await?;
    let experiment = started.map_err(|why| {
        ApiError::Conflict(match why {
            NotStarted::AnotherRuns => "another experiment runs; POST /admin/experiments/{name}/end ends it".into(),
            NotStarted::NameUsed => format!("the name {name} was used for another experiment; choose a new one"),
        })
    })?;
    tracing::info!(experiment = %*name, "experiment started");
    Ok(fresh(&with_results(&state, experiment).await?))
}

/// End an experiment. Its results stay.
#[utoipa::path(
    post, path = "/api/v1/admin/experiments/{name}/end", operation_id = "end_experiment", tag = "admin",
    params(("name" = String, Path)),
    responses((status = 200, body = ExperimentBody), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub async fn end(state: Data<State>, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let ended = experiments::end(&state.pool, &name).await?.ok_or_else(|| no_experiment(&name))?;
    tracing::info!(experiment = %*name, "experiment ended");
    Ok(fresh(&with_results(&state, ended).await?))
}

fn no_experiment(name: &str) -> ApiError {
    ApiError::NotFound { field: "name", what: format!("experiment {name}") }
}

async fn with_results(state: &State, experiment: Experiment) -> Result<ExperimentBody, ApiError> {
    let mut feedback = experiments::feedback(&state.pool, &experiment.name).await?;
    let told: Vec<Feedback> =
        experiment.variants.iter().map(|variant| feedback.remove(&variant.name).unwrap_or_default()).collect();
    let control = told.first().copied().unwrap_or_default();
    let compared = |at: usize| (at > 0).then(|| compare(&experiment.test, &control, &told[at])).flatten();
    let variants: Vec<VariantBody> = experiment
        .variants
        .iter()
        .zip(&told)
        .enumerate()
        .map(|(at, (variant, told))| VariantBody {
            name: variant.name.clone(),
            share: variant.share,
            settings: variant.settings,
            viewers: told.viewers,
            impressions: told.impressions as i64,
            clicks: told.clicks as i64,
            ctr: told.rate(),
            against_control: compared(at),
        })
        .collect();
    Ok(ExperimentBody {
        verdict: verdict(&experiment, &variants),
        status: if experiment.ended_at.is_some() { "ended" } else { "running" },
        name: experiment.name,
        started_at: experiment.started_at,
        ended_at: experiment.ended_at,
        test: experiment.test,
        variants,
    })
}

/// One sentence a variant.
fn verdict(experiment: &Experiment, variants: &[VariantBody]) -> String {
    let early = !experiment.test.sequential && experiment.ended_at.is_none();
    let sentence = |variant: &VariantBody| match variant.against_control {
        _ if early => {
            format!("{}: end the experiment first, since its intervals hold for one look only.", variant.name)
        }
        None => format!("{}: too few viewers with feedback.", variant.name),
        Some(found) if !found.conclusive => format!("{}: no difference shown so far.", variant.name),
        Some(found) if found.low > 0.0 => format!("{}: more clicks than the control.", variant.name),
        Some(_) => format!("{}: fewer clicks than the control.", variant.name),
    };
    variants.iter().skip(1).map(sentence).collect::<Vec<_>>().join(" ")
}
