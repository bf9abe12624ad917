//! What answers that are merged from both layers say about how they came to be.

use chrono::{DateTime, Utc};
use domain::RunId;
use domain::hours::Hour;
use domain::merge::{Layer, LayerSplit};
use serde::Serialize;
use utoipa::ToSchema;

use crate::State;
use cache::Peek;

use crate::cache::{Question, peek};
use crate::error::ApiError;

/// What an answer is made of.
#[derive(Debug, Serialize, ToSchema)]
pub struct DataSources {
    /// Hours before this one are the batch layer's; null before its first run.
    batch: Option<DateTime<Utc>>,
    /// When the speed layer's part last changed; null where it has none.
    speed: Option<DateTime<Utc>>,
}

impl DataSources {
    pub fn new(boundary: Option<Hour>, speed: Option<DateTime<Utc>>) -> Self {
        Self { batch: boundary.map(Hour::start), speed }
    }
}

/// Layers that are behind: `batch`, if no run covers the hours before the cutoff; `speed`, if facts wait to be counted
/// for longer than they should. The other layer answers in its place.
pub fn stale(routing: LayerSplit, watermark: Option<Hour>) -> Vec<&'static str> {
    routing.stale(watermark).map(Layer::as_str).collect()
}

/// Where the numbers come from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Provenance {
    /// Spans of hours that one layer answered for, oldest first. Hours without facts are left out. Not for a movie's page,
    /// which counts all hours there ever were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<Vec<ProvenanceSpan>>,
    pub hours: LayerHours,
    /// The batch layer's run.
    #[schema(value_type = Option<Uuid>)]
    pub run_id: Option<RunId>,
    /// The run holds every fact of the hours before this one.
    pub watermark: Option<DateTime<Utc>>,
    /// From this hour on the speed layer answers, unless it lags.
    pub cutoff: DateTime<Utc>,
    pub cache: CacheState,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProvenanceSpan {
    /// batch or speed.
    pub layer: &'static str,
    pub first_hour: DateTime<Utc>,
    pub last_hour: DateTime<Utc>,
    /// Hours with facts.
    pub hours: usize,
}

/// Hours with facts that each layer answered for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LayerHours {
    pub batch: u64,
    pub speed: u64,
}

/// What this process has cached for the same question without `explain`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheState {
    /// fresh, stale or absent.
    #[schema(example = "fresh")]
    state: &'static str,
    age_seconds: Option<u64>,
    generation: Option<i64>,
}

impl CacheState {
    pub async fn of<Q: Question>(state: &State, question: &Q) -> Result<Self, ApiError> {
        Ok(match peek(state, question).await? {
            Peek::Absent => Self { state: "absent", age_seconds: None, generation: None },
            Peek::Fresh { age, generation } => {
                Self { state: "fresh", age_seconds: Some(age.as_secs()), generation: Some(generation) }
            }
            Peek::Stale { age, generation } => {
                Self { state: "stale", age_seconds: Some(age.as_secs()), generation: Some(generation) }
            }
        })
    }
}
