//! A job's progress, pushed.

use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::JobId;
use futures::{Stream, stream};
use storage::StorageError;
use storage::postgres::jobs::{self, Job};
use tokio::sync::{OwnedSemaphorePermit, broadcast};

use super::JobBody;
use super::jobs::no_job;
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::Id;
use crate::sse::{self, Event};

/// The change feed tells of a job that moves on; it is read this often all the same, since notifications are lost while the
/// database is away.
const REREAD_INTERVAL: Duration = Duration::from_secs(10);

/// Least time between two events, so that a job which reports fast does not flood its readers. A worker writes a job's
/// progress once a second.
const EVENT_INTERVAL: Duration = Duration::from_millis(500);

/// What a client that comes again by itself says it has read last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Follow a job until it has ended.
///
/// Server-sent events: `job` with the job's body at once and whenever it changes, at most twice a second; `end` with the
/// body that does not change any more, after which the stream ends. Who comes again after that is told by 204 to stay away.
#[utoipa::path(
    get, path = "/api/v1/admin/jobs/{id}/stream", operation_id = "stream_job", tag = "admin", params(("id" = Uuid, Path)),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 204, description = "The end was sent before"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json"),
    ),
    security(("admin_key" = []), ("admin_bearer" = [])),
)]
pub async fn follow(state: Data<State>, request: HttpRequest, Id(id): Id<JobId>) -> Result<HttpResponse, ApiError> {
    let place = state.job_streams.clone().try_acquire_owned().map_err(|_| ApiError::TooManyStreams)?;
    // Before the job is read, so that no change in between is missed.
    let changes = state.feed.subscribe_jobs();
    let job = read(&state, id).await?.ok_or_else(|| no_job(id))?;
    if job.status.is_final() && request.headers().contains_key(LAST_EVENT_ID) {
        return Ok(HttpResponse::NoContent().finish());
    }
    let stopping = state.stopping.clone();
    Ok(sse::answer(events(Following { state, changes, _place: place }, job), stopping))
}

/// What a stream holds for as long as it is read.
struct Following {
    state: Data<State>,
    changes: broadcast::Receiver<JobId>,
    _place: OwnedSemaphorePermit,
}

async fn read(state: &State, id: JobId) -> Result<Option<Job>, StorageError> {
    let mut conn = state.pool.acquire().await?;
    jobs::get(&mut conn, id).await
}

/// The job as it is, and each change until it has ended.
fn events(following: Following, job: Job) -> impl Stream<Item = Event> {
    stream::unfold((following, Next::Tell(Box::new(job)), 0), async |(mut following, next, number)| {
        let job = match next {
            Next::Tell(job) => *job,
            Next::Wait(told) => following.changed(&told).await?,
            Next::Nothing => return None,
        };
        let (name, next) =
            if job.status.is_final() { ("end", Next::Nothing) } else { ("job", Next::Wait(Box::new(job.clone()))) };
        let event = Event::new(name, number, &JobBody::of(job));
        let event = event.inspect_err(|error| tracing::error!(cause = error.cause(), "a job cannot be told")).ok()?;
        Some((event, (following, next, number + 1)))
    })
}

enum Next {
    Tell(Box<Job>),
    Wait(Box<Job>),
    Nothing,
}

impl Following {
    /// The job when it is not any more as it was told; `None` where it is no more. A database that is away is waited for.
    async fn changed(&mut self, told: &Job) -> Option<Job> {
        loop {
            tokio::time::sleep(EVENT_INTERVAL).await;
            // Whether it was told of or the time is over: it is read.
            let _ = tokio::time::timeout(REREAD_INTERVAL, self.told_of(told.id)).await;
            match read(&self.state, told.id).await {
                Ok(Some(job)) if job != *told => return Some(job),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => tracing::debug!(%error, job_id = %told.id, "the job cannot be read"),
            }
        }
    }

    /// Waits until the change feed tells of the job.
    async fn told_of(&mut self, id: JobId) {
        loop {
            match self.changes.recv().await {
                Ok(changed) if changed != id => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                // Of this job; or of too many to know.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            }
        }
    }
}
