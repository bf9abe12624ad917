//! The JSON form of a job.

use chrono::{DateTime, Utc};
use domain::JobId;
use domain::jobs::{JobKind, JobStatus};
use serde::Serialize;
use serde_json::Value;
use storage::postgres::jobs::Job;
use utoipa::ToSchema;

/// A job and its state.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobBody {
    #[schema(value_type = Uuid)]
    job_id: JobId,
    /// The same value as `job_id`, under the name that seed 3 uses.
    #[schema(value_type = Uuid)]
    task_id: JobId,
    #[schema(value_type = String, example = "trending")]
    kind: JobKind,
    /// `queued`, `running`, `retrying`, `succeeded`, `failed` or `cancelled`.
    #[schema(value_type = String, example = "running")]
    status: JobStatus,
    progress: ProgressBody,
    attempts: i32,
    max_attempts: i32,
    /// The result of the job; its shape depends on `kind`.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// Error message of the last failed attempt.
    error: Option<String>,
    /// The options that the job was enqueued with; defaults are omitted.
    #[schema(value_type = Object)]
    payload: Value,
    requested_by: String,
    /// Whether cancellation was requested. A running job stops at its next heartbeat, within about a second.
    cancel_requested: bool,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    heartbeat_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

/// Progress of a job. `total` is null until the job knows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressBody {
    done: i64,
    total: Option<i64>,
    phase: Option<String>,
    eta_seconds: Option<i64>,
}

impl JobBody {
    /// Converts a job of the ledger.
    pub fn of(job: Job) -> Self {
        let eta_seconds = job.eta_seconds(Utc::now());
        Self {
            job_id: job.id,
            task_id: job.id,
            kind: job.kind,
            status: job.status,
            progress: ProgressBody { done: job.done, total: job.total, phase: job.phase, eta_seconds },
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            result: job.result,
            error: job.error,
            payload: job.payload,
            requested_by: job.requested_by,
            cancel_requested: job.cancel_requested,
            created_at: job.created_at,
            started_at: job.started_at,
            heartbeat_at: job.heartbeat_at,
            finished_at: job.finished_at,
        }
    }

    /// The job's id in the ledger.
    pub fn id(&self) -> JobId {
        self.job_id
    }
}
