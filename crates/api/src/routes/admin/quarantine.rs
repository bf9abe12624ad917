//! Lists, replays and discards quarantined records: what a source got wrong.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use domain::ingest::Source;
use domain::page::Page;
use serde::{Deserialize, Serialize};
use storage::postgres::Which;
use storage::postgres::catalogue::quarantine::{self, QuarantineRow};
use utoipa::{IntoParams, ToSchema};

use super::dead_letters::Discarded;
use super::fresh;
use super::which::{ROWS_MAX, WhichRows};
use crate::State;
use crate::error::ApiError;
use crate::extract::{Body, Params};
use crate::routes::List;
use crate::routes::params::Paging;

/// Filter of the quarantine's list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct QuarantineParams {
    /// Only records of this source: tmdb, tmdb-5000, movies-dataset, movielens, demo or viewers.
    #[param(value_type = Option<String>, example = "tmdb")]
    source: Option<Source>,
}

/// A record that could not be used.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantineBody {
    quarantine_id: i64,
    #[schema(example = "tmdb")]
    source: String,
    /// Position in the source.
    #[schema(example = "movie/550")]
    location: String,
    field: Option<String>,
    reason: String,
    /// The record, at most its first 2,000 bytes.
    record: String,
    /// The movie that is asked for again; null if the record is kept for people only.
    movie_id: Option<i64>,
    times_seen: i32,
    /// Number of failed attempts to get the movie.
    tries: i32,
    /// From then on the next ingest asks for the movie; null if none does.
    next_try_at: Option<DateTime<Utc>>,
    first_seen_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
}

impl From<QuarantineRow> for QuarantineBody {
    fn from(row: QuarantineRow) -> Self {
        Self {
            quarantine_id: row.quarantine_id,
            source: row.source,
            location: row.location,
            field: row.field,
            reason: row.reason,
            record: row.record,
            movie_id: row.movie_id,
            times_seen: row.times_seen,
            tries: row.tries,
            next_try_at: row.next_try_at,
            first_seen_at: row.first_seen_at,
            last_seen_at: row.last_seen_at,
        }
    }
}

/// Ids of the records whose movies the next ingest asks for.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordsReplayed {
    replayed: Vec<i64>,
}

/// List quarantined records, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/quarantine", operation_id = "list_quarantine", tag = "admin",
    params(QuarantineParams, Paging), responses((status = 200, body = List<QuarantineBody>)),
)]
pub async fn list(
    state: Data<State>,
    Params(filter): Params<QuarantineParams>,
    Params(paging): Params<Paging>,
) -> Result<HttpResponse, ApiError> {
    let page = Page::from(paging);
    let (rows, total) = quarantine::page(&state.pool, filter.source, page).await?;
    let items = rows.into_iter().map(QuarantineBody::from).collect();
    Ok(fresh(&List { items, total, limit: page.limit, offset: page.offset }))
}

/// Have the movies of quarantined records asked for again by the next ingest.
///
/// They get all their tries back. `POST /api/v1/admin/ingest/run` starts an ingest at once. Records without a movie are
/// left as they are.
#[utoipa::path(
    post, path = "/api/v1/admin/quarantine/replay", operation_id = "replay_quarantine", tag = "admin",
    request_body(content = WhichRows, content_type = "application/json"),
    responses((status = 200, body = RecordsReplayed)),
)]
pub async fn replay(state: Data<State>, Body(which): Body<WhichRows>) -> Result<HttpResponse, ApiError> {
    let which = Which::try_from(which)?;
    let replayed = quarantine::replay(&state.pool, &which, ROWS_MAX).await?;
    tracing::info!(?replayed, "quarantined movies are asked for again");
    Ok(fresh(&RecordsReplayed { replayed }))
}

/// Delete quarantined records for good. A movie that is still malformed comes back with the next ingest that meets it.
#[utoipa::path(
    post, path = "/api/v1/admin/quarantine/discard", operation_id = "discard_quarantine", tag = "admin",
    request_body(content = WhichRows, content_type = "application/json"),
    responses((status = 200, body = Discarded)),
)]
pub async fn discard(state: Data<State>, Body(which): Body<WhichRows>) -> Result<HttpResponse, ApiError> {
    let which = Which::try_from(which)?;
    let discarded = quarantine::discard(&state.pool, &which, ROWS_MAX).await?;
    tracing::info!(?discarded, "quarantined records discarded");
    Ok(fresh(&Discarded { discarded }))
}
