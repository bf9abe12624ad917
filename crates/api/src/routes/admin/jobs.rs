//! Lists, shows, cancels and retries jobs.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::JobId;
use domain::jobs::{JobKind, JobStatus};
use domain::page::{Limit, Offset, Page};
use serde::Deserialize;
use storage::StorageError;
use storage::postgres::jobs::{self, JobFilter};
use utoipa::IntoParams;

use super::{JobBody, accepted, fresh};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::export::{self, Table};
use crate::extract::{Id, Params};
use crate::routes::List;

/// Filters of the job list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct JobParams {
    #[param(value_type = Option<String>, example = "trending")]
    kind: Option<JobKind>,
    #[param(value_type = Option<String>, example = "running")]
    status: Option<JobStatus>,
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
}

const COLUMNS: &[&str] = &[
    "job_id",
    "kind",
    "status",
    "progress",
    "attempts",
    "max_attempts",
    "result",
    "error",
    "payload",
    "requested_by",
    "cancel_requested",
    "created_at",
    "started_at",
    "heartbeat_at",
    "finished_at",
];

/// List jobs, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/jobs", operation_id = "list_jobs", tag = "admin", params(JobParams),
    responses((status = 200, body = List<JobBody>)),
)]
pub async fn list(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<JobParams>,
) -> Result<HttpResponse, ApiError> {
    let wanted = export::wanted(&request)?;
    let filter = JobFilter { kind: params.kind, status: params.status };
    let limit = if wanted.is_some_and(|wanted| wanted.whole) { Limit::WHOLE } else { params.limit };
    let (jobs, total) = jobs::list(&state.pool, &filter, Page { limit, offset: params.offset }).await?;
    let items: Vec<JobBody> = jobs.into_iter().map(JobBody::of).collect();
    if let Some(wanted) = wanted {
        return Ok(Table::of("jobs", COLUMNS, items)?.respond(wanted));
    }
    Ok(fresh(&List { items, total, limit: params.limit, offset: params.offset }))
}

/// Show one job.
#[utoipa::path(
    get, path = "/api/v1/admin/jobs/{id}", operation_id = "get_job", tag = "admin", params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = JobBody),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn show(state: Data<State>, Id(id): Id<JobId>) -> Result<HttpResponse, ApiError> {
    let mut conn = state.pool.acquire().await.map_err(StorageError::from)?;
    let job = jobs::get(&mut conn, id).await?.ok_or_else(|| no_job(id))?;
    Ok(fresh(&JobBody::of(job)))
}

/// Cancel a job.
///
/// A waiting job is cancelled at once, a running one at its next heartbeat.
#[utoipa::path(
    post, path = "/api/v1/admin/jobs/{id}/cancel", operation_id = "cancel_job", tag = "admin",
    params(("id" = Uuid, Path)),
    responses(
        (status = 202, body = JobBody),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Finished already", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn cancel(state: Data<State>, Id(id): Id<JobId>) -> Result<HttpResponse, ApiError> {
    let mut tx = state.pool.begin().await.map_err(StorageError::from)?;
    let job = jobs::cancel(&mut tx, id).await?.ok_or_else(|| no_job(id))?;
    tx.commit().await.map_err(StorageError::from)?;
    match job.status {
        JobStatus::Succeeded | JobStatus::Failed => {
            Err(ApiError::Conflict(format!("job {id} has already {}", job.status.as_str())))
        }
        _ => Ok(accepted(&JobBody::of(job))),
    }
}

/// Retry a failed or cancelled job.
///
/// A chain (`compute-all`) continues at the step that failed.
#[utoipa::path(
    post, path = "/api/v1/admin/jobs/{id}/retry", operation_id = "retry_job", tag = "admin",
    params(("id" = Uuid, Path)),
    responses(
        (status = 202, body = JobBody),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Running or done", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn retry(state: Data<State>, Id(id): Id<JobId>) -> Result<HttpResponse, ApiError> {
    // One transaction, because otherwise a worker could claim the job before its new status is read.
    let mut tx = state.pool.begin().await.map_err(StorageError::from)?;
    let job = jobs::retry(&mut tx, id).await?.ok_or_else(|| no_job(id))?;
    tx.commit().await.map_err(StorageError::from)?;
    match job.status {
        JobStatus::Queued => Ok(accepted(&JobBody::of(job))),
        status => Err(ApiError::Conflict(format!(
            "job {id} is {}; only failed and cancelled jobs run again",
            status.as_str()
        ))),
    }
}

pub(super) fn no_job(id: JobId) -> ApiError {
    ApiError::NotFound { field: "id", what: format!("job {id}") }
}
