//! Empty the cache.

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
    /// movies, trending, analytics, search, recommendations, sentiment, trends or predictions; all of them without it.
    #[param(value_type = Option<String>, example = "movies")]
    family: Option<CacheFamily>,
}

/// What was purged.
#[derive(Debug, Serialize, ToSchema)]
pub struct PurgeBody {
    #[schema(value_type = Vec<String>, example = json!(["movies"]))]
    families: Vec<CacheFamily>,
    /// Entries removed from the layer that all API processes share.
    removed: u64,
}

/// Empty the cache, of one family of answers or of all.
///
/// Every API process forgets them, stale ones too. If Redis is away the answers are out of use all the same, and the
/// request can be sent again.
#[utoipa::path(
    delete, path = "/api/v1/admin/cache", operation_id = "purge_cache", tag = "admin", params(PurgeParams),
    responses(
        (status = 200, body = PurgeBody),
        (status = 503, description = "A store is away", body = Problem, content_type = "application/problem+json"),
    ),
    security(("admin_key" = []), ("admin_bearer" = [])),
)]
pub async fn purge(state: Data<State>, Params(params): Params<PurgeParams>) -> Result<HttpResponse, ApiError> {
    let families = params.family.map_or_else(|| CacheFamily::ALL.to_vec(), |family| vec![family]);
    changes::purge(&state.pool, &families).await?;
    let mut removed = 0;
    for family in &families {
        // The other processes hear of it; this one should not answer from memory after it has said 200.
        state.cache.purge(*family);
        removed += state.cache.purge_shared(*family).await?;
    }
    tracing::info!(?families, removed, "cache purged");
    let body = PurgeBody { families, removed };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body))
}
