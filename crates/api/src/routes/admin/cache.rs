//! Purges the cache.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use domain::artifacts::CacheFamily;
use serde::{Deserialize, Serialize};
use storage::postgres::changes;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::Params;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct PurgeParams {
    /// movies, trending, analytics, search, recommendations, sentiment, trends or predictions; without it, all
    /// families.
    #[param(value_type = Option<String>, example = "movies")]
    family: Option<CacheFamily>,
}

/// The purged families.
#[derive(Debug, Serialize, ToSchema)]
pub struct PurgeBody {
    #[schema(value_type = Vec<String>, example = json!(["movies"]))]
    families: Vec<CacheFamily>,
    /// Number of entries removed from the tier that all API processes share.
    removed: u64,
}

/// Purge the cache: one family of answers, or all.
///
/// Every API process drops its entries, including stale ones. If Redis is unreachable the status is 503, but no process
/// serves the old answers any more; the request can be repeated.
#[utoipa::path(
    delete, path = "/api/v1/admin/cache", operation_id = "purge_cache", tag = "admin", params(PurgeParams),
    responses(
        (status = 200, body = PurgeBody),
        (status = 503, description = "PostgreSQL or Redis is unreachable", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn purge(state: Data<State>, Params(params): Params<PurgeParams>) -> Result<HttpResponse, ApiError> {
    let families = params.family.map_or_else(|| CacheFamily::ALL.to_vec(), |family| vec![family]);
    changes::purge(&state.pool, &families).await?;
    let mut removed = 0;
    for family in &families {
        // The other processes are notified; this one purges at once, so that no old answer follows its 200.
        state.cache.purge(*family);
        removed += state.cache.purge_shared(*family).await?;
    }
    tracing::info!(?families, removed, "cache purged");
    let body = PurgeBody { families, removed };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body))
}
