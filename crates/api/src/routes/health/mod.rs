//! Health of the service and of the stores it needs.
//!
//! `/health` serves people and dashboards, `/health/live` and `/health/ready` serve orchestrators, and the other
//! endpoints give details of one part each. Every probe is bounded by [`probes::TIMEOUT`]; none is cached.

mod body;
mod probes;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use chrono::Utc;
use domain::hours::Hour;
use domain::merge::{CUTOFF_HOURS, Decision, cutoff};
use serde::Serialize;
use serde_json::json;

use crate::State;
use crate::error::{ApiError, Problem};
pub use body::{
    BatchRouting, CacheBody, Coverage, DataFreshness, DatabaseBody, HealthBody, HealthStatus, LayerStatus, Routed,
    RoutingBody, RoutingFreshness, SearchBody, Services, SpeedRouting,
};

/// Overview of the service and of the stores it needs.
///
/// `healthy`: everything is up. `degraded`: something is down or lags, or no artifact is computed yet, but requests are
/// answered. `error` (status 503): PostgreSQL is unreachable, so only cached answers are available.
#[utoipa::path(
    get, path = "/api/v1/health", operation_id = "get_health", tag = "health",
    responses((status = 200, body = HealthBody), (status = 503, description = "PostgreSQL is unreachable", body = HealthBody)),
)]
pub async fn overview(state: Data<State>) -> HttpResponse {
    let now = Utc::now();
    let (postgres, redis, meilisearch, batch_layer, speed_layer) = futures::join!(
        probes::postgres(&state.pool),
        probes::redis(&state.cache),
        probes::meilisearch(&state.reader.search),
        probes::batch_layer(&state.pool),
        probes::speed_layer(&state.pool, &state.reader.lag, cutoff(now)),
    );
    let services = Services { mongodb: postgres.clone(), postgres, redis, meilisearch, batch_layer, speed_layer };
    let status = services.status();
    let body = HealthBody {
        status,
        timestamp: now,
        services,
        data_freshness: DataFreshness { cutoff_hours: CUTOFF_HOURS, cutoff_time: cutoff(now).start() },
        version: env!("CARGO_PKG_VERSION"),
    };
    answer(status != HealthStatus::Error, &body)
}

/// Liveness: the process runs.
#[utoipa::path(
    get, path = "/api/v1/health/live", operation_id = "get_health_live", tag = "health", responses((status = 200)),
)]
pub async fn live() -> HttpResponse {
    answer(true, &json!({"status": "alive"}))
}

/// Readiness: PostgreSQL answers and its schema is the one that this release expects.
#[utoipa::path(
    get, path = "/api/v1/health/ready", operation_id = "get_health_ready", tag = "health",
    responses(
        (status = 200),
        (status = 503, description = "Not ready", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn ready(state: Data<State>) -> Result<HttpResponse, ApiError> {
    match probes::migrations_pending(&state.pool).await {
        Ok(0) => Ok(answer(true, &json!({"status": "ready"}))),
        Ok(pending) => Err(ApiError::NotReady(format!("{pending} migrations are pending: run `moviemetric migrate`"))),
        Err(reason) => {
            tracing::debug!(reason, "not ready");
            Err(ApiError::NotReady("PostgreSQL is not reachable".to_owned()))
        }
    }
}

/// Details of PostgreSQL.
///
/// Also answers at `/api/v1/health/mongodb`, the name that the seed uses.
#[utoipa::path(
    get, path = "/api/v1/health/database", operation_id = "get_health_database", tag = "health",
    responses((status = 200, body = DatabaseBody), (status = 503, description = "PostgreSQL is down", body = DatabaseBody)),
)]
pub async fn database(state: Data<State>) -> HttpResponse {
    let (service, pending) = futures::join!(probes::postgres(&state.pool), probes::migrations_pending(&state.pool));
    let body = DatabaseBody {
        service,
        pool_size: state.pool.size(),
        pool_idle: state.pool.num_idle(),
        migrations_pending: pending.ok(),
    };
    answer(body.service.connected, &body)
}

/// Details of the cache's two tiers.
#[utoipa::path(
    get, path = "/api/v1/health/cache", operation_id = "get_health_cache", tag = "health",
    responses((status = 200, body = CacheBody), (status = 503, description = "Redis is unreachable", body = CacheBody)),
)]
pub async fn cache(state: Data<State>) -> HttpResponse {
    let body = probes::cache(&state.cache).await;
    answer(body.service.is_connected(), &body)
}

/// Statistics of the merge: which layer answered, and how current each layer is.
#[utoipa::path(
    get, path = "/api/v1/health/routing", operation_id = "get_health_routing", tag = "health",
    responses((status = 200, body = RoutingBody), (status = 503, description = "PostgreSQL is unreachable", body = RoutingBody)),
)]
pub async fn routing(state: Data<State>) -> HttpResponse {
    let now = Utc::now();
    let (batch, speed, (events, reviews)) = futures::join!(
        probes::batch_layer(&state.pool),
        probes::speed_layer(&state.pool, &state.reader.lag, cutoff(now)),
        probes::watermarks(&state.pool),
    );
    let (stats, known) = (&state.reader.layers, batch.status != LayerStatus::Unknown);
    let total = stats.total();
    let routed = |decision| {
        let queries = stats.queries(decision);
        Routed { queries, percentage: share(queries, total).unwrap_or_default() }
    };
    let hours = stats.hours();
    let body = RoutingBody {
        cutoff_hours: CUTOFF_HOURS,
        cutoff_time: cutoff(now).start(),
        total_queries: total,
        data_freshness: RoutingFreshness {
            events_watermark: events.map(Hour::start),
            reviews_watermark: reviews.map(Hour::start),
            speed_lag_seconds: speed.lag_seconds,
        },
        batch_layer: BatchRouting { routed: routed(Decision::Batch), layer: batch },
        speed_layer: SpeedRouting { routed: routed(Decision::Speed), layer: speed },
        both: routed(Decision::Both),
        batch_fallback: routed(Decision::BatchFallback),
        average_routing_time_ms: stats.average_millis(),
        coverage: Coverage {
            batch: share(hours.batch, hours.batch + hours.speed),
            speed: share(hours.speed, hours.batch + hours.speed),
        },
    };
    answer(known, &body)
}

/// Returns `part` in percent of `whole`, rounded to a tenth; `None` if `whole` is 0.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1_000.0).round() / 10.0)
}

/// Details of search.
#[utoipa::path(
    get, path = "/api/v1/health/search", operation_id = "get_health_search", tag = "health",
    responses(
        (status = 200, body = SearchBody),
        (status = 503, description = "Meilisearch is configured but down; PostgreSQL answers searches", body = SearchBody),
    ),
)]
pub async fn search(state: Data<State>) -> HttpResponse {
    let body = SearchBody::of(probes::meilisearch(&state.reader.search).await);
    answer(!body.service.is_down(), &body)
}

fn answer(ok: bool, body: &impl Serialize) -> HttpResponse {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}
