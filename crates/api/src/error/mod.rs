//! The API's error type: one enum, one mapping to status and code, one rendering (RFC 9457).

mod problem;
mod query;

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use storage::StorageError;

use crate::admission::Refusal;

pub use problem::Problem;

/// Reasons why a request fails. `Display` becomes the problem's `detail`, which the client reads, so variants that wrap
/// a cause do not print it.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A parameter, path segment or header does not parse.
    #[error("{field} {reason}")]
    Invalid { field: Cow<'static, str>, reason: Cow<'static, str> },
    #[error("the body does not fit: {reason}")]
    InvalidBody { field: Option<String>, reason: String },
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("the body did not arrive in time")]
    BodyTooSlow,
    #[error("the query string is longer than {limit} bytes")]
    QueryTooLong { limit: usize },
    #[error("the body must be sent as application/json")]
    UnsupportedMediaType,
    /// The name is well formed, but nothing has it.
    #[error("there is no {what}")]
    NotFound { field: &'static str, what: String },
    #[error("there is nothing at this path; /docs lists what there is")]
    UnknownPath,
    #[error("send the admin key as X-API-Key or as Authorization: Bearer")]
    Unauthenticated,
    #[error("this is not the admin key")]
    WrongKey,
    #[error("there is no admin key: set ADMIN_API_KEY_SHA256 to the SHA-256 of one, in hex, and restart the API")]
    AdminDisabled,
    /// The resource is in a state that does not allow the request.
    #[error("{0}")]
    Conflict(String),
    #[error("this Idempotency-Key belongs to the {kind} job {job_id}, which was asked for differently")]
    IdempotencyKeyReused { kind: &'static str, job_id: String },
    #[error("{artifact} has not been computed yet: POST {trigger} computes it")]
    NotComputed { artifact: &'static str, trigger: String },
    #[error("{0}")]
    NotReady(String),
    #[error("ReDoc's script is not installed: scripts/up.sh fetches it")]
    ReDocMissing,
    /// The event log is at its capacity; nothing was stored.
    #[error("more events are waiting to be counted than there is room for; send these again later")]
    EventLogFull,
    /// As many facts wait for a movie that is not in the catalogue as there is room for.
    #[error("movie_id {}", Refusal::MovieFull.reason())]
    UnknownMovie,
    /// A movie's IMDb id or alias that nothing has; `code` says which.
    #[error("movie_id {reason}")]
    UnknownName { code: &'static str, reason: String },
    /// The movie is not in the catalogue, and the waiting room is full.
    #[error("movie_id {}", Refusal::RoomFull.reason())]
    WaitingRoomFull,
    #[error("too many streams are open; ask without /stream, or come again later")]
    TooManyStreams,
    #[error("this client has {limit} streams open, which is all that one may have; close one of them")]
    TooManyStreamsOfClient { limit: usize },
    /// The event log failed, so it is unknown whether it has stored the events.
    #[error("the event log is not reachable; send these again with the same ids, and each counts once")]
    EventLogAway(#[source] StorageError),
    #[error("{}", if .0.is_transient() { AWAY } else { INTERNAL })]
    Storage(#[source] Arc<StorageError>),
    #[error("{INTERNAL}")]
    Internal(Cow<'static, str>),
    /// One failure that several requests waited for.
    #[error("{0}")]
    Shared(Arc<ApiError>),
}

/// `detail` of internal errors; their cause is only in the log.
pub const INTERNAL: &str = "the server failed to answer; its log has the cause under this request_id";
const AWAY: &str = "a store that this answer needs is not reachable right now";

/// `Retry-After` for an unreachable store, in seconds: a restart takes about as long.
const RETRY_AWAY: &str = "2";
/// `Retry-After` for an artifact that is not computed yet, in seconds: a compute job takes about as long.
const RETRY_COMPUTING: &str = "30";
/// `Retry-After` for a full event log, in seconds: the speed layer drains about 100,000 entries meanwhile.
const RETRY_FULL: &str = "5";
/// `Retry-After` for a full waiting room, in seconds: it empties when an ingest brings the movies.
const RETRY_WAITING: &str = "300";

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MovieFull => Self::UnknownMovie,
            Refusal::RoomFull => Self::WaitingRoomFull,
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl ApiError {
    /// Creates the error of a parameter that does not parse; `reason` continues the sentence that starts with the
    /// field's name.
    pub fn invalid(field: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }

    /// Returns status and stable code; clients may branch on either.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid_parameter"),
            Self::InvalidBody { .. } => (StatusCode::BAD_REQUEST, "invalid_body"),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::QueryTooLong { .. } => (StatusCode::URI_TOO_LONG, "query_too_long"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
            Self::UnknownPath => (StatusCode::NOT_FOUND, "unknown_path"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::WrongKey => (StatusCode::FORBIDDEN, "wrong_key"),
            Self::AdminDisabled => (StatusCode::FORBIDDEN, "admin_disabled"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::IdempotencyKeyReused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
            Self::NotComputed { .. } => (StatusCode::SERVICE_UNAVAILABLE, "not_computed"),
            Self::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::ReDocMissing => (StatusCode::SERVICE_UNAVAILABLE, "redoc_missing"),
            Self::EventLogFull => (StatusCode::SERVICE_UNAVAILABLE, "event_log_full"),
            Self::UnknownMovie => (StatusCode::UNPROCESSABLE_ENTITY, Refusal::MovieFull.code()),
            Self::UnknownName { code, .. } => (StatusCode::UNPROCESSABLE_ENTITY, code),
            Self::WaitingRoomFull => (StatusCode::SERVICE_UNAVAILABLE, Refusal::RoomFull.code()),
            Self::TooManyStreams => (StatusCode::SERVICE_UNAVAILABLE, "too_many_streams"),
            Self::TooManyStreamsOfClient { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_streams_of_client"),
            Self::EventLogAway(_) => (StatusCode::SERVICE_UNAVAILABLE, "event_log_unavailable"),
            Self::Storage(error) if error.is_transient() => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Storage(_) | Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
            Self::Shared(error) => error.kind(),
        }
    }

    /// Whether the failure is the server's, so that an earlier answer is better than none. `false` means that there is
    /// no answer, or that the client may not have it.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Storage(_) | Self::Internal(_) | Self::NotReady(_) => true,
            Self::Shared(error) => error.is_ours(),
            _ => false,
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid { field, .. } => Some(field),
            Self::InvalidBody { field, .. } => field.as_deref(),
            Self::NotFound { field, .. } => Some(field),
            Self::IdempotencyKeyReused { .. } => Some("Idempotency-Key"),
            Self::UnknownMovie | Self::UnknownName { .. } | Self::WaitingRoomFull => Some("movie_id"),
            Self::Shared(error) => error.field(),
            _ => None,
        }
    }

    /// Returns a header that tells the client what to do next, if there is one.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Unauthenticated => (header::WWW_AUTHENTICATE, "Bearer realm=\"moviemetric admin\""),
            Self::NotComputed { .. } => (header::RETRY_AFTER, RETRY_COMPUTING),
            Self::NotReady(_) | Self::EventLogAway(_) => (header::RETRY_AFTER, RETRY_AWAY),
            Self::EventLogFull => (header::RETRY_AFTER, RETRY_FULL),
            Self::WaitingRoomFull => (header::RETRY_AFTER, RETRY_WAITING),
            Self::TooManyStreams | Self::TooManyStreamsOfClient { .. } => (header::RETRY_AFTER, RETRY_COMPUTING),
            Self::Storage(error) if error.is_transient() => (header::RETRY_AFTER, RETRY_AWAY),
            Self::Shared(error) => return error.header(),
            _ => return None,
        };
        Some((name, HeaderValue::from_static(value)))
    }

    /// Returns the cause for the log; it must not appear in the response.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Storage(error) => Some(error.to_string()),
            Self::EventLogAway(error) => Some(error.to_string()),
            Self::Internal(cause) => Some(cause.to_string()),
            Self::Shared(error) => error.cause(),
            _ => None,
        }
    }

    /// Returns the response body.
    pub fn problem(&self) -> Problem {
        let (status, code) = self.kind();
        Problem::new(status, code, self.to_string()).with_field(self.field())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    // Implemented explicitly, because actix would send `Display` as plain text. The middleware adds the request id,
    // which is not known here.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(header) = self.header() {
            response.insert_header(header);
        }
        response.content_type(Problem::CONTENT_TYPE).body(self.problem().to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_stays_out_of_the_answer() {
        let secret = || StorageError::Corrupt("password=hunter2".into());
        for error in [
            ApiError::from(secret()),
            ApiError::Internal("password=hunter2".into()),
            ApiError::Shared(Arc::new(ApiError::from(secret()))),
        ] {
            let body = error.problem().to_json();
            assert!(!body.contains("hunter2"), "{body}");
            assert!(body.contains(INTERNAL), "{body}");
            assert_eq!(error.status_code(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(error.cause().is_some_and(|cause| cause.contains("hunter2")));
        }
    }

    #[test]
    fn a_store_that_is_away_is_503_with_a_time_to_come_back() {
        let error = ApiError::from(StorageError::Queue("gone".into()));
        assert_eq!(error.status_code(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(error.error_response().headers().contains_key(header::RETRY_AFTER));
    }
}
