//! The registry of the recommender's models: list, show, promote, roll back.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use domain::jobs::JobKind;
use domain::page::{Limit, Offset};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::StorageError;
use storage::objects::ObjectFile;
use storage::postgres::jobs::NewJob;
use storage::postgres::models::{self, Activation, ModelRow};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{REQUESTED_BY, fresh};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::Params;
use crate::routes::List;

/// A page of the registry.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ModelParams {
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
}

/// A version of the recommender.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Model)]
pub struct ModelBody {
    #[schema(example = "als_20260301_0430")]
    version: String,
    /// What computes the nightly lists: als, ease, knn, popularity or blend. Every version has ALS vectors.
    algorithm: String,
    /// trained, active, retired or refused.
    #[schema(example = "active")]
    state: String,
    /// Why it is in this state.
    reason: Option<String>,
    /// "Is it good?", in a sentence. Null: not evaluated.
    verdict: Option<String>,
    viewers: i64,
    movies: i64,
    interactions: i64,
    factors: i32,
    created_at: DateTime<Utc>,
    activated_at: Option<DateTime<Utc>>,
    retired_at: Option<DateTime<Utc>>,
}

/// A version with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelDetails)]
pub struct ModelDetailsBody {
    #[serde(flatten)]
    model: ModelBody,
    /// The job that trained it.
    job_id: Option<Uuid>,
    /// Settings of the training, and each algorithm's NDCG on the validation viewers.
    #[schema(value_type = Object)]
    parameters: Value,
    /// SHA-256 of the interactions that it was trained on.
    fingerprint: String,
    /// Metrics with 95 % bootstrap intervals of the model, popularity and kNN on held-out viewers, and the gate's
    /// comparison with the version that was active then. Null: not evaluated.
    #[schema(value_type = Option<Object>)]
    metrics: Option<Value>,
    /// Files in the object store, with their SHA-256.
    #[schema(value_type = Vec<Object>)]
    files: Vec<ObjectFile>,
}

/// The active version after a promotion or a rollback.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActiveModel)]
pub struct ActiveBody {
    #[schema(example = "als_20260301_0430")]
    active: String,
    /// The version that was active before; null: none.
    before: Option<String>,
    /// The job that computes every viewer's list with it; null: it was active already.
    job_id: Option<Uuid>,
}

impl ModelBody {
    fn of(row: &ModelRow) -> Self {
        let verdict = row.metrics.as_ref().and_then(|metrics| metrics["verdict"].as_str()).map(str::to_owned);
        Self {
            version: row.version.clone(),
            algorithm: row.algorithm.clone(),
            state: row.state.clone(),
            reason: row.reason.clone(),
            verdict,
            viewers: row.viewers,
            movies: row.movies,
            interactions: row.interactions,
            factors: row.factors,
            created_at: row.created_at,
            activated_at: row.activated_at,
            retired_at: row.retired_at,
        }
    }
}

impl From<ModelRow> for ModelDetailsBody {
    fn from(row: ModelRow) -> Self {
        Self {
            model: ModelBody::of(&row),
            job_id: row.job_id,
            parameters: row.parameters,
            fingerprint: row.fingerprint,
            metrics: row.metrics,
            files: row.files.0,
        }
    }
}

/// List the recommender's models, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/models", operation_id = "list_models", tag = "admin", params(ModelParams),
    responses((status = 200, body = List<ModelBody>)),
)]
pub async fn list(state: Data<State>, Params(params): Params<ModelParams>) -> Result<HttpResponse, ApiError> {
    let ModelParams { limit, offset } = params;
    let rows = models::list(&state.pool, limit.get(), offset.get()).await?;
    let total = models::count(&state.pool).await?;
    Ok(fresh(&List { items: rows.iter().map(ModelBody::of).collect(), total, limit, offset }))
}

/// Show a model: its metrics beside popularity and kNN, and whether it is good.
#[utoipa::path(
    get, path = "/api/v1/admin/models/{version}", operation_id = "get_model", tag = "admin",
    params(("version" = String, Path, example = "als_20260301_0430")),
    responses(
        (status = 200, body = ModelDetailsBody),
        (status = 404, description = "No such version", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn show(state: Data<State>, version: Path<String>) -> Result<HttpResponse, ApiError> {
    let row = models::get(&state.pool, &version).await?.ok_or_else(no_version)?;
    Ok(fresh(&ModelDetailsBody::from(row)))
}

/// Promote a model, whatever the gate said.
///
/// Every process loads it within a second. A job computes every viewer's list with it; until then the lists stay those of
/// the model before.
#[utoipa::path(
    post, path = "/api/v1/admin/models/{version}/promote", operation_id = "promote_model", tag = "admin",
    params(("version" = String, Path, example = "als_20260301_0430")),
    responses(
        (status = 200, body = ActiveBody),
        (status = 404, description = "No such version", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn promote(state: Data<State>, version: Path<String>) -> Result<HttpResponse, ApiError> {
    activate(&state, version.into_inner(), "promoted by an operator").await
}

/// Roll back to the model that was active before.
///
/// Every process loads it within a second, and the lists follow. A second call goes back again.
#[utoipa::path(
    post, path = "/api/v1/admin/models/rollback", operation_id = "rollback_model", tag = "admin",
    responses(
        (status = 200, body = ActiveBody),
        (status = 409, description = "No model was active before", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn rollback(state: Data<State>) -> Result<HttpResponse, ApiError> {
    let before = models::before_active(&state.pool).await?;
    let version = before.ok_or_else(|| ApiError::Conflict("no model was active before this one".to_owned()))?;
    activate(&state, version, "rolled back to by an operator").await
}

async fn activate(state: &State, version: String, reason: &str) -> Result<HttpResponse, ApiError> {
    let mut tx = state.pool.begin().await.map_err(StorageError::from)?;
    let before = models::active(&mut *tx).await?;
    let job_id = match models::activate(&mut tx, &version, reason).await? {
        Activation::Unknown => return Err(no_version()),
        Activation::AlreadyActive => None,
        Activation::Activated => {
            // In the transaction, so that the lists follow the model.
            let new = NewJob::of(JobKind::GenerateRecommendations, REQUESTED_BY);
            Some(storage::postgres::jobs::enqueue(&mut tx, new).await?.0.id.0)
        }
    };
    tx.commit().await.map_err(StorageError::from)?;
    tracing::info!(version, before, reason, "model activated");
    Ok(fresh(&ActiveBody { active: version, before, job_id }))
}

fn no_version() -> ApiError {
    ApiError::NotFound { field: "version", what: "such version; GET /admin/models lists them".to_owned() }
}
