//! `http_requests_total` and `http_request_duration_seconds`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use metrics::{Counter, Histogram, counter, histogram};

/// The route that answered, as metrics name it: the path's pattern, the same under every prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label(pub &'static str);

impl Label {
    /// Requests that no route took. One label, or every scanner would make series of its own.
    pub const NONE: Self = Self("none");
}

struct Series {
    requests: Counter,
    duration: Histogram,
}

thread_local! {
    // Looking a series up by its labels costs more than answering from the cache does, so each worker thread keeps the
    // ones it has met. Routes, methods and statuses are few, hence so are the entries.
    static MET: RefCell<HashMap<(Label, &'static str, StatusCode), Series>> = RefCell::default();
}

/// Counts one answer.
pub fn record(label: Label, method: &Method, status: StatusCode, duration: Duration) {
    let method = method_label(method);
    MET.with_borrow_mut(|met| {
        let series = met.entry((label, method, status)).or_insert_with(|| Series {
            requests: counter!(
                "http_requests_total", "route" => label.0, "method" => method, "status" => status.as_u16().to_string()
            ),
            duration: histogram!("http_request_duration_seconds", "route" => label.0),
        });
        series.requests.increment(1);
        series.duration.record(duration);
    });
}

/// Clients may send any word as a method; only known ones become a label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
