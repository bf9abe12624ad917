//! Defines, lists and deletes aliases: callers' own names of movies.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::events::MovieRef;
use domain::page::Page;
use serde::{Deserialize, Serialize};
use storage::StorageError;
use storage::postgres::catalogue::aliases::{self, AliasRow};
use utoipa::ToSchema;

use super::fresh;
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{AliasInPath, Body, Params};
use crate::routes::List;
use crate::routes::params::Paging;

/// Most aliases in one request, about 50 kB of JSON.
const ALIASES_MAX: usize = 1_000;

/// Maximum size of the body in bytes: 1,000 aliases of 128 characters, each escaped to twelve bytes.
const ALIASES_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Aliases to define.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasesSent {
    /// 1 to 1,000 of them.
    aliases: Vec<AliasSent>,
}

/// An alias to define.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AliasSent {
    /// 1 to 128 visible characters; neither a number nor an IMDb id.
    #[schema(example = "m002")]
    alias: String,
    #[schema(value_type = i64, minimum = 1, example = 27_205)]
    movie_id: MovieId,
}

/// An alias.
#[derive(Debug, Serialize, ToSchema)]
pub struct AliasBody {
    #[schema(example = "m002")]
    alias: String,
    #[schema(example = 27_205)]
    movie_id: i64,
    updated_at: DateTime<Utc>,
}

impl From<AliasRow> for AliasBody {
    fn from(AliasRow { alias, movie_id, updated_at }: AliasRow) -> Self {
        Self { alias, movie_id, updated_at }
    }
}

/// The outcome of defining aliases.
#[derive(Debug, Serialize, ToSchema)]
pub struct AliasesPut {
    /// Number of aliases that are new or name another movie than before.
    changed: u64,
}

/// List aliases by name.
#[utoipa::path(
    get, path = "/api/v1/admin/aliases", operation_id = "list_aliases", tag = "admin", params(Paging),
    responses((status = 200, body = List<AliasBody>)),
)]
pub async fn list(state: Data<State>, Params(paging): Params<Paging>) -> Result<HttpResponse, ApiError> {
    let page = Page::from(paging);
    let (rows, total) = aliases::page(&state.pool, page).await?;
    let items = rows.into_iter().map(AliasBody::from).collect();
    Ok(fresh(&List { items, total, limit: page.limit, offset: page.offset }))
}

/// Define aliases: callers' own names of movies, for events and reviews.
///
/// All are defined or none. The movie need not be in the catalogue yet. Other processes know a change within 5 seconds.
#[utoipa::path(
    put, path = "/api/v1/admin/aliases", operation_id = "put_aliases", tag = "admin",
    request_body(content = AliasesSent, content_type = "application/json"),
    responses(
        (status = 200, body = AliasesPut),
        (status = 400, description = "An alias is not valid", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn put(
    state: Data<State>,
    Body(sent): Body<AliasesSent, ALIASES_BYTES_MAX>,
) -> Result<HttpResponse, ApiError> {
    let refused = |field: String, reason: String| ApiError::InvalidBody { field: Some(field), reason };
    if sent.aliases.is_empty() || sent.aliases.len() > ALIASES_MAX {
        return Err(refused("aliases".to_owned(), format!("send 1 to {ALIASES_MAX} aliases")));
    }
    let mut defined = Vec::with_capacity(sent.aliases.len());
    for (index, AliasSent { alias, movie_id }) in sent.aliases.into_iter().enumerate() {
        let Ok(MovieRef::Alias(alias)) = alias.parse() else {
            let reason = "an alias has 1 to 128 visible characters and is neither a number nor an IMDb id";
            return Err(refused(format!("aliases[{index}].alias"), reason.to_owned()));
        };
        defined.push((alias, movie_id));
    }
    let mut conn = state.pool.acquire().await.map_err(StorageError::from)?;
    let changed = aliases::put(&mut conn, &defined).await?;
    state.names.changed(defined.iter().map(|(alias, _)| alias.as_ref()));
    tracing::info!(changed, "aliases of movies defined");
    Ok(fresh(&AliasesPut { changed }))
}

/// Delete an alias. What was sent under it keeps its movie.
#[utoipa::path(
    delete, path = "/api/v1/admin/aliases/{alias}", operation_id = "delete_alias", tag = "admin",
    params(("alias" = String, Path, description = "The alias", example = "m002")),
    responses(
        (status = 204, description = "The alias is gone"),
        (status = 404, description = "There is no such alias", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn delete(state: Data<State>, AliasInPath(alias): AliasInPath) -> Result<HttpResponse, ApiError> {
    if !aliases::delete(&state.pool, &alias).await? {
        return Err(ApiError::NotFound { field: "alias", what: "alias of this name".to_owned() });
    }
    state.names.changed(std::iter::once(alias.as_ref()));
    tracing::info!("alias of a movie deleted");
    Ok(HttpResponse::NoContent().finish())
}
