//! The process's metrics.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::State;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One time series.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Sample {
    #[schema(example = "http_requests_total")]
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// All time series.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetricsBody {
    metrics: Vec<Sample>,
}

/// Metrics as Prometheus text, or as JSON if `Accept` requests it.
#[utoipa::path(
    get, path = "/api/v1/metrics", operation_id = "get_metrics", tag = "health",
    responses((status = 200, content((String = "text/plain"), (MetricsBody = "application/json")))),
)]
pub async fn metrics(state: Data<State>, request: HttpRequest) -> HttpResponse {
    gauge(&state);
    let text = state.metrics.render();
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if accept.contains("application/json") {
        response.json(MetricsBody { metrics: text.lines().filter_map(sample).collect() })
    } else {
        response.content_type(PROMETHEUS).body(text)
    }
}

/// Sets the gauges. They describe a state, so they are read at scrape time.
fn gauge(state: &State) {
    let counts = state.cache.counts();
    metrics::gauge!("cache_memory_entries").set(counts.memory_entries as f64);
    metrics::gauge!("cache_memory_bytes").set(counts.memory_bytes as f64);
    metrics::gauge!("database_connections", "state" => "open").set(f64::from(state.pool.size()));
    metrics::gauge!("database_connections", "state" => "idle").set(state.pool.num_idle() as f64);
}

/// Parses a line `name{label="value",...} 1.5` of the exporter's text; `None` for comments and blank lines.
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    Some(Sample {
        name: name.to_owned(),
        labels: parse_labels(labels.trim_end_matches('}')),
        value: value.parse().ok()?,
    })
}

fn parse_labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while let Some((name, tail)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = tail.char_indices();
        let end = loop {
            match chars.next() {
                Some((_, '\\')) => {
                    value.extend(chars.next().map(|(_, escaped)| if escaped == 'n' { '\n' } else { escaped }))
                }
                Some((at, '"')) => break at + 1,
                Some((_, other)) => value.push(other),
                None => break tail.len(),
            }
        };
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = &tail[end..];
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_lines_become_samples() {
        let found = sample(r#"http_requests_total{route="/movies/{id}",method="GET",note="a\"b\\c"} 12"#).unwrap();
        assert_eq!((found.name.as_str(), found.value), ("http_requests_total", 12.0));
        let labels: Vec<_> = found.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(labels, [("method", "GET"), ("note", r#"a"b\c"#), ("route", "/movies/{id}")]);
        assert_eq!(sample("plain 0.5").unwrap().value, 0.5);
        assert_eq!(sample("# TYPE plain counter"), None);
        assert_eq!(sample(""), None);
    }
}
