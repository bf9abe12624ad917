//! `X-Request-ID`: taken from the request if a client or proxy sent one, generated otherwise.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header with the request id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum length of an accepted id in bytes; it bounds what a client can add to logs and responses.
const MAX_BYTES: usize = 128;

/// A request's id. It is visible ASCII, so it cannot break a log line or a header.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Returns the id that came with the request, or generates one.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(X_REQUEST_ID) {
            Some(sent) if Self::is_fit(sent.as_bytes()) => Self(sent.clone()),
            _ => Self::new(),
        }
    }

    fn is_fit(bytes: &[u8]) -> bool {
        (1..=MAX_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    }

    fn new() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text: &str = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
        // Hexadecimal digits and hyphens are always a valid header value.
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-")))
    }

    /// The id as text, for the log.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }

    /// The id as the value of [`X_REQUEST_ID`].
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sent: &'static [u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(sent).unwrap());
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn an_id_is_kept_if_it_is_visible_ascii_and_short() {
        assert_eq!(of(b"abc-123"), "abc-123");
        for unfit in [&b""[..], b"a b", b"caf\xc3\xa9", &[b'a'; 129]] {
            assert_eq!(of(unfit).len(), 36, "{unfit:?}");
        }
    }

    #[test]
    fn made_ids_differ() {
        assert_ne!(RequestId::new().as_str(), RequestId::new().as_str());
    }
}
