//! The header `Idempotency-Key`: a client that repeats a POST after a lost answer finds the job it made.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::error::ApiError;

const HEADER: &str = "Idempotency-Key";

/// Longest key taken: UUIDs have 36 characters, digests 64.
const MAX_CHARS: usize = 200;

/// The key, if one was sent.
pub struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// As the ledger stores it. Prefixed, so that no client takes a key of the scheduler's.
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
