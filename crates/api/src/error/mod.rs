//! The API's vocabulary of failure: one enum, one match to status and code, one rendering (RFC 9457).

mod problem;
mod query;

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use storage::StorageError;

pub use problem::Problem;

/// Why a request gets no answer. `Display` is the problem's `detail`: written for whoever sent the request, so a
/// variant that wraps a cause does not show it.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A parameter, path segment or header that does not parse.
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
    /// A well-formed name of something that is not there.
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
    /// The resource is in a state that does not allow what was asked.
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
    /// The speed layer is too far behind; nothing was taken.
    #[error("more events are waiting to be counted than there is room for; send these again later")]
    EventLogFull,
    #[error("too many streams are open; ask without /stream, or come again later")]
    TooManyStreams,
    /// Whether the log has the events is not known.
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

/// The sentence that a client gets for a failure of ours.
pub const INTERNAL: &str = "the server failed to answer; its log has the cause under this request_id";
const AWAY: &str = "a store that this answer needs is not reachable right now";

/// `Retry-After` in seconds: a store that restarts takes some, a compute job takes many.
const RETRY_AWAY: &str = "2";
const RETRY_COMPUTING: &str = "30";
/// `Retry-After` for a full event log, in seconds: the speed layer drains about 100,000 entries meanwhile.
const RETRY_FULL: &str = "5";

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl ApiError {
    /// A parameter that does not parse; `reason` goes on after the field's name.
    pub fn invalid(field: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }

    /// Status and stable code; a client may branch on either.
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
            Self::TooManyStreams => (StatusCode::SERVICE_UNAVAILABLE, "too_many_streams"),
            Self::EventLogAway(_) => (StatusCode::SERVICE_UNAVAILABLE, "event_log_unavailable"),
            Self::Storage(error) if error.is_transient() => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Storage(_) | Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
            Self::Shared(error) => error.kind(),
        }
    }

    /// Whether we failed, so that an earlier answer is better than none. `false`: there is no answer, or nobody may have it.
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
            Self::Shared(error) => error.field(),
            _ => None,
        }
    }

    /// A header that tells the client what to do next.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Unauthenticated => (header::WWW_AUTHENTICATE, "Bearer realm=\"moviemetric admin\""),
            Self::NotComputed { .. } => (header::RETRY_AFTER, RETRY_COMPUTING),
            Self::NotReady(_) | Self::EventLogAway(_) => (header::RETRY_AFTER, RETRY_AWAY),
            Self::EventLogFull => (header::RETRY_AFTER, RETRY_FULL),
            Self::TooManyStreams => (header::RETRY_AFTER, RETRY_COMPUTING),
            Self::Storage(error) if error.is_transient() => (header::RETRY_AFTER, RETRY_AWAY),
            Self::Shared(error) => return error.header(),
            _ => return None,
        };
        Some((name, HeaderValue::from_static(value)))
    }

    /// The cause, for the log; an answer must not show it.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Storage(error) => Some(error.to_string()),
            Self::EventLogAway(error) => Some(error.to_string()),
            Self::Internal(cause) => Some(cause.to_string()),
            Self::Shared(error) => error.cause(),
            _ => None,
        }
    }

    /// The answer's body.
    pub fn problem(&self) -> Problem {
        let (status, code) = self.kind();
        Problem::new(status, code, self.to_string()).with_field(self.field())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    // Said explicitly, because actix would print `Display` as plain text. The request's id joins it in the middleware,
    // which alone knows it.
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
