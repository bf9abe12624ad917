//! JSON bodies of the health endpoints (seed 1, section 3.5, with PostgreSQL in place of MongoDB).

use chrono::{DateTime, Utc};
use domain::artifacts::CacheFamily;
use domain::search::Engine;
use serde::Serialize;
use utoipa::ToSchema;

/// Overall status of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Healthy,
    Degraded,
    Error,
}

/// Overview of the service and of the stores it needs.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthBody {
    pub status: HealthStatus,
    pub timestamp: DateTime<Utc>,
    pub services: Services,
    pub data_freshness: DataFreshness,
    /// Version of the API.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
}

/// State of each store and layer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Services {
    pub postgres: PostgresService,
    /// The same as `postgres`, under the name that the seed uses.
    pub mongodb: PostgresService,
    pub redis: RedisService,
    pub meilisearch: MeilisearchService,
    pub batch_layer: BatchLayer,
    pub speed_layer: SpeedLayer,
}

impl Services {
    /// Derives the overall status. A speed layer without data is not a fault: possibly nobody has sent events.
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

/// Whether a part answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpDown {
    Up,
    Down,
    NotConfigured,
}

/// State of PostgreSQL.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PostgresService {
    pub status: UpDown,
    pub latency_ms: Option<f64>,
    pub connected: bool,
    #[schema(example = "18.1")]
    pub version: Option<String>,
}

/// Whether Redis answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    Connected,
    Disconnected,
}

/// State of the response cache. Hits and misses are those of this process, over both tiers.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedisService {
    pub status: Connection,
    /// Number of keys in the server; null if it does not answer.
    pub total_keys: Option<u64>,
    /// Share of answers that came from the cache, in percent.
    #[schema(example = 75.5)]
    pub hit_rate: f64,
    pub hits: u64,
    pub misses: u64,
}

impl RedisService {
    /// Whether Redis answers.
    pub fn is_connected(&self) -> bool {
        self.status == Connection::Connected
    }
}

/// State of Meilisearch.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeilisearchService {
    pub status: UpDown,
    pub version: Option<String>,
    /// Number of movies in the live index; null until it was built once.
    pub documents: Option<usize>,
}

impl MeilisearchService {
    /// Whether Meilisearch is configured and does not answer.
    pub fn is_down(&self) -> bool {
        self.status == UpDown::Down
    }
}

/// State of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayerStatus {
    Up,
    NoData,
    /// The oldest uncounted event is older than `SPEED_LAG_LIMIT_SECONDS`.
    Lagging,
    /// PostgreSQL does not answer.
    Unknown,
}

/// The batch layer: the published artifacts.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchLayer {
    pub status: LayerStatus,
    /// Time of the newest publication.
    pub last_update: Option<DateTime<Utc>>,
    /// Number of rows in all published runs.
    pub document_count: Option<i64>,
}

/// The speed layer: counts of viewers' events, seconds old.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpeedLayer {
    pub status: LayerStatus,
    /// The newest hour that has data.
    pub last_update: Option<DateTime<Utc>>,
    /// Approximate number of rows; a row holds one hour of one movie.
    pub document_count: Option<i64>,
    /// Number of rows since the cutoff; counting stops at 100,000 in each of the two views.
    pub recent_documents: Option<i64>,
    /// Age of the oldest event that is not counted yet, in seconds; null if the event log does not answer.
    pub lag_seconds: Option<f64>,
}

/// Which layer answered how many queries since this process started. Answers from the cache are not counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoutingBody {
    #[schema(example = 48)]
    pub cutoff_hours: i64,
    /// First hour that the speed layer answers for.
    pub cutoff_time: DateTime<Utc>,
    pub total_queries: u64,
    pub batch_layer: BatchRouting,
    pub speed_layer: SpeedRouting,
    /// Queries that both layers contributed to.
    pub both: Routed,
    /// Queries that the batch layer answered in place of the speed layer, because that lagged.
    pub batch_fallback: Routed,
    /// Mean time of merging the two layers' hours in milliseconds, without database time; null before the first query.
    pub average_routing_time_ms: Option<f64>,
    pub coverage: Coverage,
    pub data_freshness: RoutingFreshness,
}

/// Number of queries answered in one way.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Routed {
    pub queries: u64,
    /// Percentage of all queries.
    pub percentage: f64,
}

/// The published artifacts, and the queries that the batch layer answered alone.
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

/// Percentage of hours that each layer answered for; null before the first query.
#[derive(Debug, Serialize, ToSchema)]
pub struct Coverage {
    pub batch: Option<f64>,
    pub speed: Option<f64>,
}

/// How current each layer is. The batch layer covers all hours before its watermark, which is null before its first
/// run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoutingFreshness {
    /// Watermark of the batch layer for viewers' events.
    pub events_watermark: Option<DateTime<Utc>>,
    /// Watermark of the batch layer for reviews.
    pub reviews_watermark: Option<DateTime<Utc>>,
    pub speed_lag_seconds: Option<f64>,
}

/// Time up to which each layer has data.
#[derive(Debug, Serialize, ToSchema)]
pub struct DataFreshness {
    #[schema(example = 48)]
    pub cutoff_hours: i64,
    /// First hour that the speed layer answers for.
    pub cutoff_time: DateTime<Utc>,
}

/// Details of PostgreSQL.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatabaseBody {
    #[serde(flatten)]
    pub service: PostgresService,
    /// Number of open connections of this process.
    pub pool_size: u32,
    pub pool_idle: usize,
    pub migrations_pending: Option<usize>,
}

/// Details of the cache.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheBody {
    #[serde(flatten)]
    pub service: RedisService,
    pub latency_ms: Option<f64>,
    /// Eviction policy of the server; `allkeys-lru` if it is used for nothing but the cache.
    pub maxmemory_policy: Option<String>,
    /// Number of answers in this process's memory.
    pub memory_entries: u64,
    pub memory_bytes: u64,
    pub families: Vec<CacheFamilyBody>,
}

/// Statistics of a family of answers, which share one TTL, since the process started.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheFamilyBody {
    #[schema(value_type = String, example = "movies")]
    pub family: CacheFamily,
    pub ttl_seconds: u64,
    /// Share of answers that came from the cache, in percent.
    #[schema(example = 75.5)]
    pub hit_rate: f64,
    pub hits: u64,
    pub misses: u64,
}

/// Details of search.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchBody {
    #[serde(flatten)]
    pub service: MeilisearchService,
    /// The engine that currently answers.
    #[schema(value_type = String, example = "postgres")]
    pub engine: Engine,
}

impl SearchBody {
    /// Derives the search details from the state of Meilisearch.
    pub fn of(service: MeilisearchService) -> Self {
        let engine = if service.status == UpDown::Up { Engine::Meilisearch } else { Engine::Postgres };
        Self { service, engine }
    }
}
