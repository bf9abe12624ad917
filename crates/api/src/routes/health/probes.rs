//! Probes, one per part. A part that does not answer within [`TIMEOUT`] counts as down; the reason is logged at level
//! debug.

use std::time::Duration;

use cache::FamilyCounts;
use domain::artifacts::Artifact;
use domain::hours::Hour;
use query::lag::Lag;
use sqlx::PgPool;
use storage::StorageError;
use storage::cache::CacheServer;
use storage::postgres::{batch, health, speed};
use storage::search_index::SearchIndex;

use super::body::{
    BatchLayer, CacheBody, CacheFamilyBody, Connection, LayerStatus, MeilisearchService, PostgresService, RedisService,
    SpeedLayer, UpDown,
};
use crate::answer::ResponseCache;

/// Time limit of a probe; health checkers give up after a few seconds.
pub const TIMEOUT: Duration = Duration::from_secs(1);

async fn bounded<T>(probe: impl Future<Output = Result<T, StorageError>>) -> Result<T, String> {
    match tokio::time::timeout(TIMEOUT, probe).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} ms", TIMEOUT.as_millis())),
    }
}

fn found<T>(part: &str, outcome: Result<T, String>) -> Option<T> {
    outcome.inspect_err(|reason| tracing::debug!(part, reason, "health probe failed")).ok()
}

fn millis(duration: Duration) -> f64 {
    // Probes are measured in whole microseconds.
    duration.as_micros() as f64 / 1_000.0
}

/// Probes PostgreSQL.
pub async fn postgres(pool: &PgPool) -> PostgresService {
    match found("postgres", bounded(health::check(pool)).await) {
        Some(health) => PostgresService {
            status: UpDown::Up,
            latency_ms: Some(millis(health.latency)),
            connected: true,
            version: Some(health.version),
        },
        None => PostgresService { status: UpDown::Down, latency_ms: None, connected: false, version: None },
    }
}

/// Returns the number of pending migrations, or why it is unknown.
pub async fn migrations_pending(pool: &PgPool) -> Result<usize, String> {
    bounded(health::migrations_pending(pool)).await
}

/// Probes Redis.
pub async fn redis(cache: &ResponseCache) -> RedisService {
    redis_service(cache, server(cache).await.as_ref())
}

/// Collects the details of the cache.
pub async fn cache(cache: &ResponseCache) -> CacheBody {
    let server = server(cache).await;
    let counts = cache.counts();
    CacheBody {
        service: redis_service(cache, server.as_ref()),
        latency_ms: server.as_ref().map(|server| millis(server.latency)),
        maxmemory_policy: server.map(|server| server.maxmemory_policy),
        memory_entries: counts.memory_entries,
        memory_bytes: counts.memory_bytes,
        families: cache.family_counts().map(family).into(),
    }
}

async fn server(cache: &ResponseCache) -> Option<CacheServer> {
    found("redis", bounded(cache.redis().server()).await)
}

fn redis_service(cache: &ResponseCache, server: Option<&CacheServer>) -> RedisService {
    let counts = cache.counts();
    RedisService {
        status: if server.is_some() { Connection::Connected } else { Connection::Disconnected },
        total_keys: server.map(|server| server.total_keys),
        hit_rate: hit_rate(counts.hits, counts.misses),
        hits: counts.hits,
        misses: counts.misses,
    }
}

fn family(counts: FamilyCounts) -> CacheFamilyBody {
    let FamilyCounts { family, ttl, hits, misses } = counts;
    CacheFamilyBody { family, ttl_seconds: ttl.as_secs(), hit_rate: hit_rate(hits, misses), hits, misses }
}

/// Returns hits in percent of all answers, rounded to a tenth.
fn hit_rate(hits: u64, misses: u64) -> f64 {
    let asked = hits + misses;
    if asked == 0 { 0.0 } else { (hits as f64 / asked as f64 * 1_000.0).round() / 10.0 }
}

/// Probes Meilisearch.
pub async fn meilisearch(search: &SearchIndex) -> MeilisearchService {
    let Some(meilisearch) = search.meilisearch() else {
        return MeilisearchService { status: UpDown::NotConfigured, version: None, documents: None };
    };
    let probe = async { Ok((meilisearch.version().await?, meilisearch.document_count().await?)) };
    match found("meilisearch", bounded(probe).await) {
        Some((version, documents)) => MeilisearchService { status: UpDown::Up, version: Some(version), documents },
        None => MeilisearchService { status: UpDown::Down, version: None, documents: None },
    }
}

/// Reads the state of the batch layer.
pub async fn batch_layer(pool: &PgPool) -> BatchLayer {
    match found("batch layer", bounded(health::batch(pool)).await) {
        Some(batch) => BatchLayer {
            status: if batch.last_update.is_some() { LayerStatus::Up } else { LayerStatus::NoData },
            last_update: batch.last_update,
            document_count: Some(batch.document_count),
        },
        None => BatchLayer { status: LayerStatus::Unknown, last_update: None, document_count: None },
    }
}

/// Reads the state of the speed layer; `cutoff` is the first hour that it answers for.
pub async fn speed_layer(pool: &PgPool, lag: &Lag, cutoff: Hour) -> SpeedLayer {
    // Measuring the lag has a time limit of its own.
    let (freshness, behind) = futures::join!(bounded(speed::freshness(pool, cutoff)), lag.measure());
    let freshness = found("speed layer", freshness);
    let status = match &freshness {
        None => LayerStatus::Unknown,
        Some(_) if lag.is_beyond_limit(behind) => LayerStatus::Lagging,
        Some(freshness) if freshness.newest_hour.is_some() => LayerStatus::Up,
        Some(_) => LayerStatus::NoData,
    };
    SpeedLayer {
        status,
        last_update: freshness.and_then(|freshness| freshness.newest_hour),
        // The total comes from table statistics, which may be older than the newest rows.
        document_count: freshness.map(|freshness| freshness.rows.max(freshness.recent)),
        recent_documents: freshness.map(|freshness| freshness.recent),
        lag_seconds: behind.seconds(),
    }
}

/// Returns the watermarks of the published runs over events and over reviews.
pub async fn watermarks(pool: &PgPool) -> (Option<Hour>, Option<Hour>) {
    let of = async |artifact| found("watermark", bounded(batch::watermark(pool, artifact)).await).flatten();
    futures::join!(of(Artifact::BatchStatsHourly), of(Artifact::BatchSentimentHourly))
}
