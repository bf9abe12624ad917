//! For operators: start jobs, watch them, stop them. Everything here asks for the admin key.

pub mod cache;
pub mod compute;
pub mod ingest;
mod job;
pub mod jobs;
pub mod search;
pub mod stream;

use actix_web::HttpResponse;
use actix_web::http::header;
use domain::jobs::{JobKind, PayloadError};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::jobs::NewJob;

pub use job::JobBody;

use super::PREFIX;
use crate::error::ApiError;
use crate::extract::IdempotencyKey;

/// Who asked, as the ledger says it.
const REQUESTED_BY: &str = "admin";

/// Enqueues a job and answers 202 with where to watch it. A key that is known finds its job, unless that one was asked
/// for differently: then the client has mixed something up and should hear of it.
async fn trigger(
    pool: &PgPool,
    kind: JobKind,
    options: &impl Serialize,
    key: IdempotencyKey,
) -> Result<HttpResponse, ApiError> {
    let payload = payload(kind, options)?;
    let new = NewJob { payload, idempotency_key: key.in_ledger(), ..NewJob::of(kind, REQUESTED_BY) };
    let asked = new.payload.clone();
    let mut conn = pool.acquire().await.map_err(StorageError::from)?;
    let (job, created) = storage::postgres::jobs::enqueue(&mut conn, new).await?;
    if !created && (job.kind != kind || job.payload != asked) {
        return Err(ApiError::IdempotencyKeyReused { kind: job.kind.as_str(), job_id: job.id.to_string() });
    }
    tracing::info!(job_id = %job.id, kind = kind.as_str(), created, "job asked for");
    Ok(accepted(&JobBody::of(job)))
}

/// The options as the ledger keeps them; the job's definition says which there are.
fn payload(kind: JobKind, options: &impl Serialize) -> Result<Value, ApiError> {
    let options = serde_json::to_value(options).map_err(StorageError::from)?;
    kind.payload(&options).map_err(|PayloadError { field, reason }| ApiError::InvalidBody { field, reason })
}

fn accepted(job: &JobBody) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header((header::LOCATION, format!("{PREFIX}/admin/jobs/{}", job.id())))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(job)
}
