//! Streams a job's progress.

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

/// Interval of reading the job without a notification: notifications are lost while the database is unreachable.
const REREAD_INTERVAL: Duration = Duration::from_secs(10);

/// Least time between two events, which limits the rate for readers of a job that reports often. Workers write a job's
/// progress once a second.
const EVENT_INTERVAL: Duration = Duration::from_millis(500);

/// The header in which a reconnecting client states the last event that it has received.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Follow a job until it ends.
///
/// Server-sent events: `job` with the job's body, at once and after each change, at most twice a second; then `end`
/// with the final body, after which the stream ends. A client that reconnects after `end` gets 204, which tells it to
/// stop.
#[utoipa::path(
    get, path = "/api/v1/admin/jobs/{id}/stream", operation_id = "stream_job", tag = "admin", params(("id" = Uuid, Path)),
    responses(
        (status = 204, description = "The client has already received `end`"),
        (status = 204, description = "The end was sent before"),
        (status = 503, description = "Too many streams are open", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn follow(state: Data<State>, request: HttpRequest, Id(id): Id<JobId>) -> Result<HttpResponse, ApiError> {
    let place = state.job_streams.clone().try_acquire_owned().map_err(|_| ApiError::TooManyStreams)?;
    // Subscribe before reading the job, so that no change in between is missed.
    let changes = state.feed.subscribe_jobs();
    let job = read(&state, id).await?.ok_or_else(|| no_job(id))?;
    if job.status.is_final() && request.headers().contains_key(LAST_EVENT_ID) {
        return Ok(HttpResponse::NoContent().finish());
    }
    let stopping = state.stopping.clone();
    Ok(sse::answer(events(Following { state, changes, _place: place }, job), stopping))
}

/// The resources of a stream.
struct Following {
    state: Data<State>,
    changes: broadcast::Receiver<JobId>,
    _place: OwnedSemaphorePermit,
}

async fn read(state: &State, id: JobId) -> Result<Option<Job>, StorageError> {
    let mut conn = state.pool.acquire().await?;
    jobs::get(&mut conn, id).await
}

/// Yields the job as it is, then after each change until it has ended.
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
        let event =
            event.inspect_err(|error| tracing::error!(cause = error.cause(), "cannot serialize a job event")).ok()?;
        Some((event, (following, next, number + 1)))
    })
}

enum Next {
    Tell(Box<Job>),
    Wait(Box<Job>),
    Nothing,
}

impl Following {
    /// Returns the job once it differs from `told`, or `None` if it no longer exists. Retries while the database is
    /// unreachable.
    async fn changed(&mut self, told: &Job) -> Option<Job> {
        loop {
            tokio::time::sleep(EVENT_INTERVAL).await;
            // The job is read after a notification and after the interval alike.
            let _ = tokio::time::timeout(REREAD_INTERVAL, self.told_of(told.id)).await;
            match read(&self.state, told.id).await {
                Ok(Some(job)) if job != *told => return Some(job),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => tracing::debug!(%error, job_id = %told.id, "cannot read the job; trying again"),
            }
        }
    }

    /// Waits for a notification about the job.
    async fn told_of(&mut self, id: JobId) {
        loop {
            match self.changes.recv().await {
                Ok(changed) if changed != id => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                // Either this job changed, or notifications were lost, and the job may be among them.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            }
        }
    }
}
