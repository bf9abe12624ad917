//! The shapes of health (seed 1, section 3.5, with PostgreSQL in MongoDB's place).

use chrono::{DateTime, Utc};
use domain::artifacts::CacheFamily;
use domain::search::Engine;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Healthy,
    Degraded,
    Error,
}

/// Overview of all parts.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthBody {
    pub status: HealthStatus,
    pub timestamp: DateTime<Utc>,
    pub services: Services,
    pub data_freshness: DataFreshness,
    /// The API's version.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Services {
    pub postgres: PostgresService,
    /// The same under the seed's name: PostgreSQL stands in MongoDB's place.
    pub mongodb: PostgresService,
    pub redis: RedisService,
    pub meilisearch: MeilisearchService,
    pub batch_layer: BatchLayer,
    pub speed_layer: SpeedLayer,
}

impl Services {
    /// The overall status. A speed layer without data is no fault: nobody may have sent any events.
    pub fn status(&self) -> HealthStatus {
        let complete = self.redis.is_connected()
            && !self.meilisearch.is_down()
            && self.batch_layer.status == LayerStatus::Up
            && matches!(self.speed_layer.status, LayerStatus::Up | LayerStatus::NoData);
        match (self.postgres.connected, complete) {
            (false, _) => HealthStatus::Error,
            (true, false) => HealthStatus::Degraded,
            (true, true) => HealthStatus::Healthy,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpDown {
    Up,
    Down,
    NotConfigured,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PostgresService {
    pub status: UpDown,
    pub latency_ms: Option<f64>,
    pub connected: bool,
    #[schema(example = "18.1")]
    pub version: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    Connected,
    Disconnected,
}

/// The response cache; hits and misses are this process's, over both of its layers.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedisService {
    pub status: Connection,
    /// Keys in the server; null where it does not answer.
    pub total_keys: Option<u64>,
    /// Percent.
    #[schema(example = 75.5)]
    pub hit_rate: f64,
    pub hits: u64,
    pub misses: u64,
}

impl RedisService {
    pub fn is_connected(&self) -> bool {
        self.status == Connection::Connected
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MeilisearchService {
    pub status: UpDown,
    pub version: Option<String>,
    /// Movies in the live index; null until it was built once.
    pub documents: Option<usize>,
}

impl MeilisearchService {
    /// Configured and not answering.
    pub fn is_down(&self) -> bool {
        self.status == UpDown::Down
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayerStatus {
    Up,
    NoData,
    /// The oldest uncounted fact is older than `SPEED_LAG_LIMIT_SECONDS`.
    Lagging,
    /// PostgreSQL does not answer.
    Unknown,
}

/// The published artifacts.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchLayer {
    pub status: LayerStatus,
    /// The newest publication.
    pub last_update: Option<DateTime<Utc>>,
    /// Rows of all published runs.
    pub document_count: Option<i64>,
}

/// The speed layer: counts of what viewers do, seconds old.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpeedLayer {
    pub status: LayerStatus,
    /// The newest hour that has anything.
    pub last_update: Option<DateTime<Utc>>,
    /// Hours of movies, about.
    pub document_count: Option<i64>,
    /// Hours of movies since the cutoff; the count of each of the two views stops at 100,000.
    pub recent_documents: Option<i64>,
    /// Age of the oldest fact that is not counted yet; null where the event log does not answer.
    pub lag_seconds: Option<f64>,
}

/// Statistics of the merge since this process started: which layer answered. Answers from the cache are not counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoutingBody {
    #[schema(example = 48)]
    pub cutoff_hours: i64,
    /// The hour from which on the speed layer answers.
    pub cutoff_time: DateTime<Utc>,
    pub total_queries: u64,
    pub batch_layer: BatchRouting,
    pub speed_layer: SpeedRouting,
    /// Answers that both layers had a part in.
    pub both: Routed,
    /// Answers of the batch layer in place of the speed layer, which lagged.
    pub batch_fallback: Routed,
    /// Mean time of combining what the layers hold, without the database's; null before the first query.
    pub average_routing_time_ms: Option<f64>,
    pub coverage: Coverage,
    pub data_freshness: RoutingFreshness,
}

/// Queries that took this way.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Routed {
    pub queries: u64,
    /// Share of all queries.
    pub percentage: f64,
}

/// The published artifacts, and the queries that they answered alone.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchRouting {
    #[serde(flatten)]
    pub routed: Routed,
    #[serde(flatten)]
    pub layer: BatchLayer,
}

/// The speed layer, and the queries that it answered alone.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpeedRouting {
    #[serde(flatten)]
    pub routed: Routed,
    #[serde(flatten)]
    pub layer: SpeedLayer,
}

/// Percentage of the hours in all answers that each layer answered for; null before the first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Coverage {
    pub batch: Option<f64>,
    pub speed: Option<f64>,
}

/// How current each layer is. The batch layer holds everything before its watermark, which is null before its first run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoutingFreshness {
    /// Watermark of viewers' events.
    pub events_watermark: Option<DateTime<Utc>>,
    /// Watermark of reviews.
    pub reviews_watermark: Option<DateTime<Utc>>,
    pub speed_lag_seconds: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DataFreshness {
    #[schema(example = 48)]
    pub cutoff_hours: i64,
    /// The hour from which on the speed layer answers.
    pub cutoff_time: DateTime<Utc>,
}

/// PostgreSQL in detail.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatabaseBody {
    #[serde(flatten)]
    pub service: PostgresService,
    /// Connections of this process.
    pub pool_size: u32,
    pub pool_idle: usize,
    pub migrations_pending: Option<usize>,
}

/// The cache in detail.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheBody {
    #[serde(flatten)]
    pub service: RedisService,
    pub latency_ms: Option<f64>,
    /// `allkeys-lru` where the server serves nothing but the cache.
    pub maxmemory_policy: Option<String>,
    /// Answers held in the process.
    pub memory_entries: u64,
    pub memory_bytes: u64,
    pub families: Vec<CacheFamilyBody>,
}

/// A group of answers with one time to live, since the process started.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheFamilyBody {
    #[schema(value_type = String, example = "movies")]
    pub family: CacheFamily,
    pub ttl_seconds: u64,
    /// Percent of the questions that the cache answered.
    #[schema(example = 75.5)]
    pub hit_rate: f64,
    pub hits: u64,
    pub misses: u64,
}

/// Search in detail.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchBody {
    #[serde(flatten)]
    pub service: MeilisearchService,
    /// The engine that answers now.
    #[schema(value_type = String, example = "postgres")]
    pub engine: Engine,
}

impl SearchBody {
    pub fn of(service: MeilisearchService) -> Self {
        let engine = if service.status == UpDown::Up { Engine::Meilisearch } else { Engine::Postgres };
        Self { service, engine }
    }
}
