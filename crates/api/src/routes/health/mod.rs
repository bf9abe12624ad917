//! How the service and what it stands on are doing.
//!
//! `/health` is for people and dashboards, `/health/live` and `/health/ready` are for orchestrators, the rest says more
//! about one part. No probe takes longer than [`probes::LIMIT`], and none is cached.

mod body;
mod probes;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use chrono::Utc;
use domain::merge::{CUTOFF_HOURS, cutoff};
use serde::Serialize;
use serde_json::json;

use crate::State;
use crate::error::{ApiError, Problem};
pub use body::{CacheBody, DataFreshness, DatabaseBody, HealthBody, HealthStatus, SearchBody, Services};

/// Overview of all parts.
///
/// `healthy`: everything is up. `degraded`: something is down or no artifact is computed yet, and requests are still
/// answered. `error` (with status 503): PostgreSQL is away, so that only cached answers are left.
#[utoipa::path(
    get, path = "/api/v1/health", operation_id = "get_health", tag = "health",
    responses((status = 200, body = HealthBody), (status = 503, description = "PostgreSQL is away", body = HealthBody)),
)]
pub async fn overview(state: Data<State>) -> HttpResponse {
    let now = Utc::now();
    let (postgres, redis, meilisearch, batch_layer) = futures::join!(
        probes::postgres(&state.pool),
        probes::redis(&state.cache),
        probes::meilisearch(&state.search),
        probes::batch_layer(&state.pool),
    );
    let services = Services { postgres, redis, meilisearch, batch_layer };
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

/// The process runs.
#[utoipa::path(
    get, path = "/api/v1/health/live", operation_id = "get_health_live", tag = "health", responses((status = 200)),
)]
pub async fn live() -> HttpResponse {
    answer(true, &json!({"status": "alive"}))
}

/// Requests can be answered: PostgreSQL is there and its schema is the one this release knows.
#[utoipa::path(
    get, path = "/api/v1/health/ready", operation_id = "get_health_ready", tag = "health",
    responses(
        (status = 200),
        (status = 503, description = "Not yet", body = Problem, content_type = "application/problem+json"),
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

/// More about PostgreSQL.
#[utoipa::path(
    get, path = "/api/v1/health/database", operation_id = "get_health_database", tag = "health",
    responses((status = 200, body = DatabaseBody), (status = 503, description = "It is down", body = DatabaseBody)),
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

/// More about the cache's two layers.
#[utoipa::path(
    get, path = "/api/v1/health/cache", operation_id = "get_health_cache", tag = "health",
    responses((status = 200, body = CacheBody), (status = 503, description = "Redis is away", body = CacheBody)),
)]
pub async fn cache(state: Data<State>) -> HttpResponse {
    let body = probes::cache(&state.cache).await;
    answer(body.service.is_connected(), &body)
}

/// More about search.
#[utoipa::path(
    get, path = "/api/v1/health/search", operation_id = "get_health_search", tag = "health",
    responses(
        (status = 200, body = SearchBody),
        (status = 503, description = "Meilisearch is configured and down; PostgreSQL answers", body = SearchBody),
    ),
)]
pub async fn search(state: Data<State>) -> HttpResponse {
    let body = SearchBody::of(probes::meilisearch(&state.search).await);
    answer(!body.service.is_down(), &body)
}

fn answer(ok: bool, body: &impl Serialize) -> HttpResponse {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}
