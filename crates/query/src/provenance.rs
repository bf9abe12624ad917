//! Provenance: which layer, run and hours an answer's numbers come from.

use chrono::{DateTime, Utc};
use domain::RunId;
use domain::hours::Hour;
use domain::merge::{Layer, LayerSplit};
use serde::Serialize;
use utoipa::ToSchema;

/// How far each layer's contribution to an answer reaches.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DataSources {
    /// The batch layer answers for hours before this one; null before its first run.
    pub batch: Option<DateTime<Utc>>,
    /// Time of the last change in the speed layer's contribution; null if it has none.
    pub speed: Option<DateTime<Utc>>,
}

impl DataSources {
    pub(crate) fn new(boundary: Option<Hour>, speed: Option<DateTime<Utc>>) -> Self {
        Self { batch: boundary.map(Hour::start), speed }
    }
}

/// Returns the layers that are behind: `batch` if no run covers the hours before the cutoff; `speed` if events have
/// waited to be counted for longer than the limit. The other layer answers in its place.
pub(crate) fn stale(split: LayerSplit, watermark: Option<Hour>) -> Vec<&'static str> {
    split.stale(watermark).map(Layer::as_str).collect()
}

/// Where an answer's numbers come from.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Provenance {
    /// Spans of hours that one layer answered for, oldest first; hours without facts are omitted. A movie's page has
    /// none, since it counts all hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<Vec<ProvenanceSpan>>,
    pub hours: LayerHours,
    /// The batch layer's run.
    #[schema(value_type = Option<Uuid>)]
    pub run_id: Option<RunId>,
    /// The run contains every fact of the hours before this one.
    pub watermark: Option<DateTime<Utc>>,
    /// The first hour that the speed layer answers for, unless it lags.
    pub cutoff: DateTime<Utc>,
    /// Filled in by callers that have a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheState>,
}

/// Consecutive hours that one layer answered for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProvenanceSpan {
    /// `batch` or `speed`.
    pub layer: &'static str,
    pub first_hour: DateTime<Utc>,
    pub last_hour: DateTime<Utc>,
    /// Number of hours with facts.
    pub hours: usize,
}

impl ProvenanceSpan {
    /// Groups merged hours, which are oldest first, into spans.
    pub(crate) fn of<T>(hours: &[(Hour, Layer, T)]) -> Vec<Self> {
        let spans = hours.chunk_by(|(_, before, _), (_, layer, _)| before == layer);
        let span = |span: &[(Hour, Layer, T)]| {
            let (first, last) = (span.first()?, span.last()?);
            Some(Self {
                layer: first.1.as_str(),
                first_hour: first.0.start(),
                last_hour: last.0.start(),
                hours: span.len(),
            })
        };
        spans.filter_map(span).collect()
    }
}

/// Number of hours with facts that each layer answered for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LayerHours {
    pub batch: u64,
    pub speed: u64,
}

/// State of this process's cache for the same question without `explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CacheState {
    /// `fresh`, `stale` or `absent`.
    #[schema(example = "fresh")]
    pub state: &'static str,
    pub age_seconds: Option<u64>,
    pub generation: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_where_another_layer_answers() {
        let at = |hour: i64| Hour::from_index(490_000 + hour);
        let hours = [(0, Layer::Batch), (1, Layer::Batch), (3, Layer::Speed), (4, Layer::Batch)];
        let hours: Vec<_> = hours.map(|(hour, layer)| (at(hour), layer, ())).into();
        let spans = ProvenanceSpan::of(&hours);
        let named: Vec<_> = spans.iter().map(|span| (span.layer, span.hours)).collect();
        assert_eq!(named, [("batch", 2), ("speed", 1), ("batch", 1)]);
        assert_eq!((spans[0].first_hour, spans[0].last_hour), (at(0).start(), at(1).start()));
        assert!(ProvenanceSpan::of::<()>(&[]).is_empty());
    }
}
