//! Server-sent events (WHATWG HTML, section 9.2): a response that stays open and carries one event after another.

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

/// Interval of comment lines. They keep proxies from closing the connection (nginx does so after 30 s of silence) and
/// reveal clients that have disconnected.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Reconnection delay that clients are told to use: 2,000 ms.
const RETRY: &str = "retry: 2000\n\n";

/// One serialized event.
#[derive(Debug, Clone)]
pub struct Event(Bytes);

impl Event {
    /// Serializes an event. JSON has no raw line breaks, so `data` fits on one line.
    ///
    /// # Errors
    /// `data` cannot be serialized, which is a defect of its type.
    pub fn new(name: &str, id: u64, data: &impl Serialize) -> Result<Self, ApiError> {
        let data = serde_json::to_string(data).map_err(|error| ApiError::Internal(error.to_string().into()))?;
        Ok(Self(Bytes::from(format!("event: {name}\nid: {id}\ndata: {data}\n\n"))))
    }
}

/// Streams events until the stream ends, the client disconnects or `stopping` is cancelled; without the latter the
/// server would wait for the client at shutdown.
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
        // Compression and nginx would each hold events back until a buffer is full.
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body.map(Ok::<_, Infallible>).take_until(stopping.cancelled_owned()))
}
