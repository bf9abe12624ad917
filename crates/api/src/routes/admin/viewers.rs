//! Forgets a viewer, and exports what is known of one.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use bytes::Bytes;
use domain::ViewerId;
use domain::viewers::ViewerName;
use futures::stream::{self, Stream};
use serde::Serialize;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::viewers::{self, Forgotten};
use utoipa::ToSchema;
use uuid::Uuid;

use super::fresh;
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::ViewerInPath;

/// Rows of an export that are in memory at a time; a thousand of the longest reviews are 40 MB, common ones 1 MB.
const PAGE: i64 = 1_000;

/// Rows that were deleted, or from which the viewer was removed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForgottenBody {
    /// Events that are anonymous now; they still count.
    events: u64,
    /// Reviews that are anonymous now.
    reviews: u64,
    /// Imported ratings, deleted.
    ratings: u64,
    profiles: u64,
    hidden: u64,
    /// Nightly lists, deleted.
    lists: u64,
    /// Logged lists that are anonymous now.
    served: u64,
    /// Facts that waited for their movies, deleted.
    waiting: u64,
    dead_letters: u64,
}

impl From<Forgotten> for ForgottenBody {
    fn from(rows: Forgotten) -> Self {
        let Forgotten { events, reviews, ratings, profiles, hidden, lists, served, waiting, dead_letters } = rows;
        Self { events, reviews, ratings, profiles, hidden, lists, served, waiting, dead_letters }
    }
}

/// Forget a viewer.
///
/// Events and reviews become anonymous and still count; profile, lists, hidden movies and imported ratings are deleted. An
/// audit row has a hash of the name. Events that are still in the event log are counted afterwards and make a new viewer
/// of the name: stop sending them, and repeat the request when `/health/routing` reports no lag.
#[utoipa::path(
    delete, path = "/api/v1/viewers/{user_id}", operation_id = "forget_viewer", tag = "admin",
    params(("user_id" = String, Path, description = "The viewer's name", example = "user_123")),
    responses(
        (status = 200, body = ForgottenBody),
        (status = 404, description = "Nothing is known of such a viewer", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn forget(state: Data<State>, ViewerInPath(name): ViewerInPath) -> Result<HttpResponse, ApiError> {
    let forgotten = viewers::forget(&state.pool, &name).await?.ok_or_else(unknown)?;
    tracing::info!(events = forgotten.events, "a viewer was forgotten");
    Ok(fresh(&ForgottenBody::from(forgotten)))
}

/// Export what is known of a viewer.
///
/// One JSON object with the arrays `events`, `reviews`, `ratings` (imported ones) and `hidden`, sent as it is read. A body
/// that ends before its last brace was cut off by a failure.
#[utoipa::path(
    get, path = "/api/v1/viewers/{user_id}/export", operation_id = "export_viewer", tag = "admin",
    params(("user_id" = String, Path, description = "The viewer's name", example = "user_123")),
    responses(
        (status = 200, body = Object),
        (status = 404, description = "Nothing is known of such a viewer", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn export(state: Data<State>, ViewerInPath(name): ViewerInPath) -> Result<HttpResponse, ApiError> {
    let viewer = viewers::find(&state.pool, &name).await?.ok_or_else(unknown)?;
    let body = exported(state.pool.clone(), viewer, &name)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .streaming(body))
}

fn unknown() -> ApiError {
    ApiError::NotFound { field: "user_id", what: "viewer of this name".to_owned() }
}

/// What an export reads next. Rows are read in the order of a key, from the last one read.
enum Next {
    Events(Option<Uuid>),
    Reviews(Option<Uuid>),
    Ratings(i64),
    Hidden(i64),
    End,
}

fn exported(
    pool: PgPool,
    viewer: ViewerId,
    name: &ViewerName,
) -> Result<impl Stream<Item = Result<Bytes, StorageError>> + use<>, ApiError> {
    let begin = format!("{{\"user_id\":{},\"events\":[", serde_json::to_string(name).map_err(StorageError::from)?);
    let rows = stream::try_unfold(Next::Events(None), move |next| {
        let pool = pool.clone();
        async move { step(&pool, viewer, next).await }
    });
    Ok(futures::StreamExt::chain(stream::iter([Ok(Bytes::from(begin))]), rows))
}

/// Reads a page; after the last one of an array the text goes on with the next array.
async fn step(pool: &PgPool, viewer: ViewerId, next: Next) -> Result<Option<(Bytes, Next)>, StorageError> {
    let step = match next {
        Next::Events(after) => {
            let rows = viewers::events_page(pool, viewer, after, PAGE).await?;
            let last = rows.last().map(|row| Next::Events(Some(row.event_id)));
            (page(&rows, after.is_none(), "],\"reviews\":[")?, last.unwrap_or(Next::Reviews(None)))
        }
        Next::Reviews(after) => {
            let rows = viewers::reviews_page(pool, viewer, after, PAGE).await?;
            let last = rows.last().map(|row| Next::Reviews(Some(row.review_id)));
            (page(&rows, after.is_none(), "],\"ratings\":[")?, last.unwrap_or(Next::Ratings(0)))
        }
        Next::Ratings(after) => {
            let rows = viewers::ratings_page(pool, viewer, after, PAGE).await?;
            let last = rows.last().map(|row| Next::Ratings(row.movie_id));
            (page(&rows, after == 0, "],\"hidden\":[")?, last.unwrap_or(Next::Hidden(0)))
        }
        Next::Hidden(after) => {
            let rows = viewers::hidden_page(pool, viewer, after, PAGE).await?;
            let last = rows.last().map(|row| Next::Hidden(row.movie_id));
            (page(&rows, after == 0, "]}")?, last.unwrap_or(Next::End))
        }
        Next::End => return Ok(None),
    };
    Ok(Some(step))
}

/// The rows as members of a JSON array, with a comma before them unless they are its `first`; `end` if there are none.
fn page<T: Serialize>(rows: &[T], first: bool, end: &'static str) -> Result<Bytes, StorageError> {
    if rows.is_empty() {
        return Ok(Bytes::from_static(end.as_bytes()));
    }
    let array = serde_json::to_string(rows)?;
    let members = array.trim_start_matches('[').strip_suffix(']').unwrap_or_default();
    Ok(Bytes::from(if first { members.to_owned() } else { format!(",{members}") }))
}
