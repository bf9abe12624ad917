use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

/// Longest credential taken; a v4 token has about 250 characters.
const MAX_CREDENTIAL: usize = 4_096;

/// How we authenticate to TMDB. Neither kind shows in `Debug`.
#[derive(Debug, Clone)]
pub enum TmdbCredential {
    /// A v3 key, 32 hexadecimal digits, sent as `?api_key=`.
    V3Key(SecretString),
    /// A v4 read access token, a JWT, sent as `Authorization: Bearer`.
    V4Bearer(SecretString),
}

/// A text that is no credential; the message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a TMDB v3 key (32 hexadecimal digits) or a v4 read access token, without blanks")]
pub struct InvalidCredential;

impl FromStr for TmdbCredential {
    type Err = InvalidCredential;

    /// A token is told from a key by its dots. The 32 digits are not insisted on: servers that stand in for TMDB use
    /// keys of their own, and TMDB itself answers a wrong key with a clear 401.
    fn from_str(text: &str) -> Result<Self, InvalidCredential> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_CREDENTIAL || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidCredential);
        }
        let secret = SecretString::from(text);
        Ok(if text.contains('.') { Self::V4Bearer(secret) } else { Self::V3Key(secret) })
    }
}

/// How to talk to TMDB. Built by hand; [`TmdbConfig::new`] has the defaults.
///
/// Nothing here reads the environment, so that a test can have waits of milliseconds.
#[derive(Debug, Clone)]
pub struct TmdbConfig {
    /// With or without the slash at the end.
    pub base_url: Url,
    /// Where the daily exports of ids are.
    pub exports_url: Url,
    /// How we authenticate.
    pub credential: TmdbCredential,
    /// Request rate. TMDB tolerates about 50 a second from one address; 30 leaves room for others behind ours.
    pub requests_per_second: u32,
    /// Requests in flight: enough to keep the rate at TMDB's usual 200 ms an answer.
    pub concurrency: usize,
    /// Time limit of one request, from connecting to the last byte of the body.
    pub timeout: Duration,
    /// Tries per request. Waits for a 429 do not count.
    pub max_attempts: usize,
    /// First wait between tries; doubles each time, with jitter.
    pub backoff_min: Duration,
    /// Longest wait between tries.
    pub backoff_max: Duration,
    /// Pause after a 429 that does not say how long.
    pub pause_default: Duration,
    /// Longest pause heeded: a typing error in `Retry-After` must not stop the source for a year.
    pub pause_max: Duration,
}

impl TmdbConfig {
    /// TMDB's public base URL.
    pub const DEFAULT_BASE_URL: &str = "https://api.themoviedb.org/3/";

    /// TMDB's public URL of the daily exports.
    pub const DEFAULT_EXPORTS_URL: &str = "https://files.tmdb.org/p/exports/";

    /// 30 requests a second, 8 in flight, 10 s each, 5 tries.
    pub fn new(base_url: Url, exports_url: Url, credential: TmdbCredential) -> Self {
        Self {
            base_url,
            exports_url,
            credential,
            requests_per_second: 30,
            concurrency: 8,
            timeout: Duration::from_secs(10),
            max_attempts: 5,
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            pause_default: Duration::from_secs(2),
            pause_max: Duration::from_secs(300),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_a_key_by_its_dots() {
        let key = "0123456789abcdef0123456789abcdef";
        assert!(matches!(format!(" {key}\n").parse(), Ok(TmdbCredential::V3Key(_))));
        assert!(matches!("eyJh.eyJz.c2ln".parse(), Ok(TmdbCredential::V4Bearer(_))));
        for bad in ["", "  ", "two words", "kéy", "a\0b"] {
            assert!(bad.parse::<TmdbCredential>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let base_url: Url = TmdbConfig::DEFAULT_BASE_URL.parse().unwrap();
        let settings = TmdbConfig::new(base_url.clone(), base_url, "deadbeef".parse().unwrap());
        assert!(!format!("{settings:?}").contains("deadbeef"));
    }
}
