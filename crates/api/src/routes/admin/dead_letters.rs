//! Lists, replays and discards dead letters: events that the speed layer could not apply.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use domain::page::Page;
use serde::Serialize;
use storage::postgres::Which;
use storage::postgres::facts::dead_letters::{self, DeadLetter, ReplayError};
use utoipa::ToSchema;

use super::fresh;
use super::which::{ROWS_MAX, WhichRows};
use crate::State;
use crate::error::{ApiError, Problem};
use crate::extract::{Body, Params};
use crate::routes::List;
use crate::routes::params::Paging;

/// An entry of the event log that could not be applied.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterBody {
    dead_letter_id: i64,
    /// The event log that it came from, and its id there.
    stream: String,
    message_id: String,
    /// The entry as it was received.
    payload: String,
    reason: String,
    tries: i32,
    created_at: DateTime<Utc>,
}

impl From<DeadLetter> for DeadLetterBody {
    fn from(letter: DeadLetter) -> Self {
        let DeadLetter { dead_letter_id, stream, message_id, payload, reason, tries, created_at } = letter;
        Self { dead_letter_id, stream, message_id, payload, reason, tries, created_at }
    }
}

/// What a replay did.
#[derive(Debug, Serialize, ToSchema)]
pub struct LettersReplayed {
    /// Number of letters appended to the event log again.
    replayed: u64,
    /// Ids of letters that are no events; they stay.
    unreadable: Vec<i64>,
    /// Number of letters left. With `all`, repeat the request while it falls.
    remaining: i64,
}

/// Ids of the deleted rows.
#[derive(Debug, Serialize, ToSchema)]
pub struct Discarded {
    pub(super) discarded: Vec<i64>,
}

/// List dead letters, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/dead-letters", operation_id = "list_dead_letters", tag = "admin", params(Paging),
    responses((status = 200, body = List<DeadLetterBody>)),
)]
pub async fn list(state: Data<State>, Params(paging): Params<Paging>) -> Result<HttpResponse, ApiError> {
    let page = Page::from(paging);
    let (letters, total) = dead_letters::page(&state.pool, page).await?;
    let items = letters.into_iter().map(DeadLetterBody::from).collect();
    Ok(fresh(&List { items, total, limit: page.limit, offset: page.offset }))
}

/// Put dead letters into the event log again.
///
/// What fails again becomes a new dead letter. An event that was counted after all is not counted twice.
#[utoipa::path(
    post, path = "/api/v1/admin/dead-letters/replay", operation_id = "replay_dead_letters", tag = "admin",
    request_body(content = WhichRows, content_type = "application/json"),
    responses(
        (status = 200, body = LettersReplayed),
        (status = 503, description = "The event log is full or unreachable; what was not replayed is still there",
         body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn replay(state: Data<State>, Body(which): Body<WhichRows>) -> Result<HttpResponse, ApiError> {
    let which = Which::try_from(which)?;
    let outcome = dead_letters::replay(&state.pool, &*state.event_log, &which, ROWS_MAX).await;
    let done = outcome.map_err(|error| match error {
        ReplayError::Full { replayed } => {
            tracing::info!(?which, replayed, "dead letters replayed until the event log was full");
            ApiError::EventLogFull
        }
        ReplayError::Away(error) => ApiError::EventLogAway(error),
        ReplayError::Storage(error) => error.into(),
    })?;
    tracing::info!(?which, replayed = done.replayed, unreadable = ?done.unreadable, "dead letters replayed");
    let remaining = dead_letters::count(&state.pool).await?;
    Ok(fresh(&LettersReplayed { replayed: done.replayed, unreadable: done.unreadable, remaining }))
}

/// Delete dead letters for good.
#[utoipa::path(
    post, path = "/api/v1/admin/dead-letters/discard", operation_id = "discard_dead_letters", tag = "admin",
    request_body(content = WhichRows, content_type = "application/json"),
    responses((status = 200, body = Discarded)),
)]
pub async fn discard(state: Data<State>, Body(which): Body<WhichRows>) -> Result<HttpResponse, ApiError> {
    let which = Which::try_from(which)?;
    let discarded = dead_letters::discard(&state.pool, &which, ROWS_MAX).await?;
    tracing::info!(?discarded, "dead letters discarded");
    Ok(fresh(&Discarded { discarded }))
}
