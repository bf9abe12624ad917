//! The metrics `http_requests_total` and `http_request_duration_seconds`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use metrics::{Counter, Histogram, counter, histogram};

/// Value of the label `route`: the path's pattern, the same with and without the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label(pub &'static str);

impl Label {
    /// Label of requests that match no route. They share one label, because scanners would otherwise create a series
    /// per path.
    pub const NONE: Self = Self("none");
}

struct Series {
    requests: Counter,
    duration: Histogram,
}

thread_local! {
    // Looking up a series by its labels costs more than answering from the cache, so each worker thread keeps the
    // handles it has used. Routes, methods and statuses are few, which bounds the map.
    static MET: RefCell<HashMap<(Label, &'static str, StatusCode), Series>> = RefCell::default();
}

/// Records one response.
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

/// Maps unknown methods to one label, since clients may send any word as a method.
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
