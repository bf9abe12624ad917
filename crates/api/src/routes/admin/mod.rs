//! Endpoints for operators: they start, watch and stop jobs, and look after what could not be used. All of them require the admin key.

pub mod aliases;
pub mod cache;
pub mod compute;
pub mod dead_letters;
pub mod experiments;
pub mod feedback;
pub mod imports;
pub mod ingest;
mod job;
pub mod jobs;
pub mod models;
pub mod quarantine;
pub mod search;
pub mod stream;
pub mod viewers;
mod which;

use actix_web::HttpResponse;
use actix_web::http::header;
use domain::jobs::{JobKind, PayloadError};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::jobs::NewJob;

pub use job::JobBody;

use crate::error::ApiError;
use crate::extract::IdempotencyKey;
use crate::paths::PREFIX;

/// `requested_by` of jobs that this API enqueues.
const REQUESTED_BY: &str = "admin";

/// Enqueues a job and answers 202 with the job's URL. A known idempotency key returns its job; if that job was
/// requested with other options the answer is 422, because the client has mixed up its keys.
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
    tracing::info!(job_id = %job.id, kind = kind.as_str(), created, "job requested");
    Ok(accepted(&JobBody::of(job)))
}

/// Validates the options by the job's definition and returns them as the ledger stores them.
fn payload(kind: JobKind, options: &impl Serialize) -> Result<Value, ApiError> {
    let options = serde_json::to_value(options).map_err(StorageError::from)?;
    kind.payload(&options).map_err(|PayloadError { field, reason }| ApiError::InvalidBody { field, reason })
}

/// Answers what changes from second to second, and therefore must not be cached.
fn fresh(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

fn accepted(job: &JobBody) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header((header::LOCATION, format!("{PREFIX}/admin/jobs/{}", job.id())))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(job)
}
