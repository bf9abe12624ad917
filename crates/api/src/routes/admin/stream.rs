//! A job's progress, pushed.

use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::JobId;
use futures::{Stream, stream};
use storage::StorageError;
use storage::postgres::jobs::{self, Job};
use tokio::sync::OwnedSemaphorePermit;

use super::JobBody;
use super::jobs::no_job;
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::Id;
use crate::sse::{self, Event};

/// A worker writes a job's progress once a second.
const LOOK: Duration = Duration::from_secs(1);

/// What a client that comes again by itself says it has read last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Follow a job until it has ended.
///
/// Server-sent events: `job` with the job's body at once and whenever it changes, at most once a second; `end` with the
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
    let job = read(&state, id).await?.ok_or_else(|| no_job(id))?;
    if job.status.is_final() && request.headers().contains_key(LAST_EVENT_ID) {
        return Ok(HttpResponse::NoContent().finish());
    }
    Ok(sse::answer(events(state.clone(), job, place), state.stopping.clone()))
}

async fn read(state: &State, id: JobId) -> Result<Option<Job>, StorageError> {
    let mut conn = state.pool.acquire().await?;
    jobs::get(&mut conn, id).await
}

/// The job as it is, and each change until it has ended. The place is given back with the stream.
fn events(state: Data<State>, job: Job, place: OwnedSemaphorePermit) -> impl Stream<Item = Event> {
    stream::unfold((state, Next::Tell(Box::new(job)), 0, place), async |(state, next, number, place)| {
        let job = match next {
            Next::Tell(job) => *job,
            Next::Wait(told) => changed(&state, &told).await?,
            Next::Nothing => return None,
        };
        let (name, next) =
            if job.status.is_final() { ("end", Next::Nothing) } else { ("job", Next::Wait(Box::new(job.clone()))) };
        let event = Event::new(name, number, &JobBody::of(job));
        let event = event.inspect_err(|error| tracing::error!(cause = error.cause(), "a job cannot be told")).ok()?;
        Some((event, (state, next, number + 1, place)))
    })
}

enum Next {
    Tell(Box<Job>),
    Wait(Box<Job>),
    Nothing,
}

/// The job when it is not any more as it was told; `None` where it is no more. A database that is away is waited for.
async fn changed(state: &State, told: &Job) -> Option<Job> {
    loop {
        tokio::time::sleep(LOOK).await;
        match read(state, told.id).await {
            Ok(Some(job)) if job != *told => return Some(job),
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => tracing::debug!(%error, job_id = %told.id, "the job cannot be read"),
        }
    }
}
