//! What an answer of TMDB means.

use std::error::Error;

use reqwest::StatusCode;
use serde_json::Value;

use crate::SourceError;
use crate::lenient::{clean, integer};

/// Longest body read. The fullest details with credits and reviews stay under 2 MiB.
const MAX_BODY: usize = 8 << 20;

/// Longest text of a server's message that is passed on.
const MAX_REASON: usize = 200;

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// 404 in TMDB's own words (code 34, or 6 for an id it cannot read).
    NotFound,
    /// 401, or codes 7 and 10.
    KeyRefused,
    /// 429 again and again: the source as a whole is not to be had now.
    Throttled,
    /// 5xx, time-out, broken connection, codes 9, 11 and 24, or a body that is not what was asked for.
    Transient(String),
    /// Any other refusal.
    Rejected { status: u16, reason: String },
}

impl Failure {
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }

    /// As an error of the whole source; `what` names the request without its key.
    pub(super) fn into_error(self, what: &str) -> SourceError {
        let what = what.to_owned();
        match self {
            Self::KeyRefused => SourceError::KeyRefused,
            Self::NotFound => SourceError::Rejected { what, status: 404, reason: "no such resource".to_owned() },
            Self::Throttled => SourceError::Unavailable { what, reason: "too many requests, repeatedly".to_owned() },
            Self::Transient(reason) => SourceError::Unavailable { what, reason },
            Self::Rejected { status, reason } => SourceError::Rejected { what, status, reason },
        }
    }
}

/// What one exchange came to.
#[derive(Debug)]
pub(super) enum Answer {
    Body(Value),
    /// 429: the whole source has to pause.
    TooMany,
    Failed(Failure),
}

/// Reads status and TMDB's own `status_code` together; where both speak, TMDB's code is the more exact.
pub(super) fn classify(status: StatusCode, body: &[u8]) -> Answer {
    let json = serde_json::from_slice::<Value>(body);
    let code = json.as_ref().ok().and_then(|body| integer(&body["status_code"]));
    let message = || {
        let told = json.as_ref().ok().and_then(|body| body["status_message"].as_str());
        told.and_then(|text| clean(text, MAX_REASON)).unwrap_or_else(|| format!("status {status}"))
    };
    Answer::Failed(match (code, status.as_u16()) {
        (Some(7 | 10), _) | (_, 401) => Failure::KeyRefused,
        (Some(25), _) | (_, 429) => return Answer::TooMany,
        // 43 and 46 are TMDB's later words for "back end away" and "maintenance".
        (Some(9 | 11 | 24 | 43 | 46), _) | (_, 408 | 500..=599) => Failure::Transient(message()),
        (Some(6 | 34), _) => Failure::NotFound,
        (_, 404) if json.as_ref().is_ok_and(Value::is_object) => Failure::NotFound,
        // Another server's 404 (a proxy, a wrong base URL) must not tombstone movies.
        (_, 404) => Failure::Transient("a 404 that is not TMDB's".to_owned()),
        (_, 200..=299) => match json {
            Ok(body) => return Answer::Body(body),
            Err(e) => Failure::Transient(format!("the body is not JSON: {e}")),
        },
        (_, status) => Failure::Rejected { status, reason: message() },
    })
}

/// The body, as far as [`MAX_BODY`].
pub(super) async fn read_body(response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    read_up_to(response, MAX_BODY).await
}

/// The body; one of more than `limit` bytes is refused.
pub(super) async fn read_up_to(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > limit {
            return Err(Failure::Transient(format!("the body is longer than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A failed exchange in words. The URL is left out: it may hold the key.
pub(super) fn transport(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if error.is_timeout() {
        return Failure::Transient("timed out".to_owned());
    }
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let kind = if error.is_connect() { "cannot connect" } else { "the connection broke" };
    Failure::Transient(format!("{kind}: {}", clean(&cause.to_string(), MAX_REASON).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failure(status: u16, body: &str) -> Failure {
        match classify(StatusCode::from_u16(status).unwrap(), body.as_bytes()) {
            Answer::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tmdbs_own_code_decides_where_it_speaks() {
        assert_eq!(failure(401, "<html>"), Failure::KeyRefused);
        assert_eq!(failure(200, r#"{"status_code":10}"#), Failure::KeyRefused);
        assert_eq!(failure(404, r#"{"success":false,"status_code":34}"#), Failure::NotFound);
        assert!(failure(404, "<html>not here").is_transient());
        for code in [9, 11, 24] {
            assert!(failure(200, &format!(r#"{{"status_code":{code}}}"#)).is_transient());
        }
        assert!(failure(503, "").is_transient());
        assert!(failure(200, r#"{"id": 5"#).is_transient());
        assert!(matches!(failure(422, r#"{"status_code":20,"status_message":"bad date"}"#),
            Failure::Rejected { status: 422, reason } if reason == "bad date"));
        assert!(matches!(classify(StatusCode::TOO_MANY_REQUESTS, b""), Answer::TooMany));
        assert!(matches!(classify(StatusCode::OK, b"{\"status_code\":25}"), Answer::TooMany));
    }

    proptest! {
        #[test]
        fn any_answer_means_something(status in 100u16..999, body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = classify(StatusCode::from_u16(status).unwrap(), &body);
        }
    }
}
