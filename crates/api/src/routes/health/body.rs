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
    /// Of the API.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Services {
    pub postgres: PostgresService,
    pub redis: RedisService,
    pub meilisearch: MeilisearchService,
    pub batch_layer: BatchLayer,
}

impl Services {
    pub fn status(&self) -> HealthStatus {
        let complete =
            self.redis.is_connected() && !self.meilisearch.is_down() && self.batch_layer.status == BatchStatus::Up;
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

#[derive(Debug, Serialize, ToSchema)]
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
    /// Films in the live index; null until it was built once.
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
pub enum BatchStatus {
    Up,
    NoData,
    /// PostgreSQL, which would know, does not answer.
    Unknown,
}

/// The published artifacts.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchLayer {
    pub status: BatchStatus,
    /// The newest publication.
    pub last_update: Option<DateTime<Utc>>,
    /// Rows of all published runs.
    pub document_count: Option<i64>,
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
    /// Which engine answers now.
    #[schema(value_type = String, example = "postgres")]
    pub engine: Engine,
}

impl SearchBody {
    pub fn of(service: MeilisearchService) -> Self {
        let engine = if service.status == UpDown::Up { Engine::Meilisearch } else { Engine::Postgres };
        Self { service, engine }
    }
}
