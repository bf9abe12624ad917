//! The header `Idempotency-Key`: a client that repeats a POST after losing the answer finds the job it created.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::error::ApiError;

const HEADER: &str = "Idempotency-Key";

/// Maximum length of a key in characters; UUIDs have 36 and SHA-256 digests 64.
const MAX_CHARS: usize = 200;

/// The client's key, if it sent one.
pub struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// Returns the key as the job ledger stores it. The prefix keeps clients from using a key of the scheduler's.
    pub fn in_ledger(self) -> Option<String> {
        self.0.map(|key| format!("admin:{key}"))
    }
}

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(value) = request.headers().get(HEADER) else { return ready(Ok(Self(None))) };
        let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
        ready(match value.to_str() {
            Ok(key) if visible && (1..=MAX_CHARS).contains(&key.len()) => Ok(Self(Some(key.to_owned()))),
            _ => Err(ApiError::invalid(HEADER, "must be 1 to 200 visible ASCII characters")),
        })
    }
}
