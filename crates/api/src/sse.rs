//! Server-sent events (WHATWG HTML, section 9.2): an answer that goes on for as long as somebody reads it.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, ContentType};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::error::ApiError;

/// A comment as often shows proxies that somebody is there (nginx gives up after 30 s of silence), and shows us who has
/// gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Milliseconds after which a client comes again.
const RETRY: &str = "retry: 2000\n\n";

/// One event, written out.
#[derive(Debug, Clone)]
pub struct Event(Bytes);

impl Event {
    /// `data` in JSON, which has no line breaks.
    ///
    /// # Errors
    /// None that data of ours could cause.
    pub fn new(name: &str, id: u64, data: &impl Serialize) -> Result<Self, ApiError> {
        let data = serde_json::to_string(data).map_err(|error| ApiError::Internal(error.to_string().into()))?;
        Ok(Self(Bytes::from(format!("event: {name}\nid: {id}\ndata: {data}\n\n"))))
    }
}

/// Sends events until there are no more, the reader goes, or the server stops: it would wait for the reader otherwise.
pub fn answer(events: impl Stream<Item = Event> + 'static, stopping: CancellationToken) -> HttpResponse {
    let mut beat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sent = stream::unfold((Box::pin(events), beat), |(mut events, mut beat)| async move {
        let chunk = tokio::select! {
            event = events.next() => event?.0,
            _ = beat.tick() => Bytes::from_static(b":\n\n"),
        };
        Some((chunk, (events, beat)))
    });
    let body = stream::once(async { Bytes::from_static(RETRY.as_bytes()) }).chain(sent);
    HttpResponse::Ok()
        .content_type(ContentType(actix_web::mime::TEXT_EVENT_STREAM))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Compression would hold events back until its block is full, nginx until its buffer is.
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body.map(Ok::<_, Infallible>).take_until(stopping.cancelled_owned()))
}
