use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::SystemTime;

use backon::{ExponentialBuilder, Retryable};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::redirect;
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use super::config::{TmdbConfig, TmdbCredential};
use super::response::{Answer, Failure, classify, read_body, transport};
use crate::SourceError;
use crate::pause::{Pause, retry_after};

/// 429s in a row that one request sits out before the source counts as not to be had.
const MAX_PAUSES: usize = 10;

/// Idle time after which a pooled connection is closed, before TMDB's side closes it under a request.
const IDLE: std::time::Duration = std::time::Duration::from_secs(30);

/// TMDB behind one key. Clones share the rate, the pause and the connections.
#[derive(Debug, Clone)]
pub struct TmdbClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    settings: TmdbConfig,
    bucket: DefaultDirectRateLimiter,
    pause: Pause,
}

impl TmdbClient {
    /// Sends nothing yet. A rate or concurrency of 0 counts as 1.
    ///
    /// # Errors
    /// A base URL that cannot carry paths.
    pub fn new(mut settings: TmdbConfig) -> Result<Self, SourceError> {
        settings.base_url = directory(settings.base_url)?;
        settings.exports_url = directory(settings.exports_url)?;
        settings.concurrency = settings.concurrency.max(1);
        let rate = NonZeroU32::new(settings.requests_per_second).unwrap_or(NonZeroU32::MIN);
        // A tenth of a second's worth at once: no second sees more than 1.1 times the rate.
        let burst = NonZeroU32::new(rate.get() / 10).unwrap_or(NonZeroU32::MIN);
        let http = reqwest::Client::builder()
            .user_agent(concat!("MovieMetric/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .pool_idle_timeout(IDLE)
            // A redirect would carry the key to whomever it names.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|e| SourceError::BaseUrl(format!("no HTTP client: {}", e.without_url())))?;
        let bucket = RateLimiter::direct(Quota::per_second(rate).allow_burst(burst));
        Ok(Self { inner: Arc::new(Inner { http, settings, bucket, pause: Pause::default() }) })
    }

    pub(super) fn exports_url(&self) -> &Url {
        &self.inner.settings.exports_url
    }

    /// The connections, for requests that carry no key.
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.inner.http
    }

    pub(super) fn concurrency(&self) -> usize {
        self.inner.settings.concurrency
    }

    /// One resource, asked for until it is there or the attempts are spent. `read` says what is wrong with a body that
    /// is JSON but not what was asked for; such a body is asked for again, like one that is not JSON.
    pub(super) async fn get<T>(
        &self,
        path: &str,
        query: &[(&str, String)],
        read: impl Fn(Value) -> Result<T, &'static str>,
    ) -> Result<T, Failure> {
        let settings = &self.inner.settings;
        let backoff = ExponentialBuilder::default()
            .with_min_delay(settings.backoff_min)
            .with_max_delay(settings.backoff_max)
            .with_max_times(settings.max_attempts.saturating_sub(1))
            .with_jitter();
        let attempt = || async {
            let body = self.attempt(path, query).await?;
            read(body).map_err(|reason| Failure::Transient(reason.to_owned()))
        };
        attempt
            .retry(backoff)
            .sleep(tokio::time::sleep)
            .when(Failure::is_transient)
            .notify(|failure, wait| tracing::debug!(path, ?failure, ?wait, "TMDB request is tried again"))
            .await
    }

    /// One try, after as many pauses as TMDB asks for.
    async fn attempt(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        for _ in 0..MAX_PAUSES {
            self.admitted().await;
            let (headers, answer) = self.exchange(path, query).await?;
            match answer {
                Answer::Body(body) => return Ok(body),
                Answer::Failed(failure) => return Err(failure),
                Answer::TooMany => self.pause_all(path, &headers),
            }
        }
        Err(Failure::Throttled)
    }

    /// Waits for the rate and for the end of any pause, also one that began while waiting for the rate.
    async fn admitted(&self) {
        loop {
            self.inner.pause.wait().await;
            self.inner.bucket.until_ready().await;
            if self.inner.pause.closed_until().is_none() {
                return;
            }
        }
    }

    fn pause_all(&self, path: &str, headers: &HeaderMap) {
        let settings = &self.inner.settings;
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let wait = header(RETRY_AFTER)
            .and_then(|value| retry_after(value, header(DATE), SystemTime::now()))
            .unwrap_or(settings.pause_default)
            // "0" would be answered at once, and once more, until the request has used up its pauses.
            .max(settings.backoff_min)
            .min(settings.pause_max);
        tracing::info!(path, ?wait, "TMDB asks for a pause");
        self.inner.pause.extend(wait);
    }

    async fn exchange(&self, path: &str, query: &[(&str, String)]) -> Result<(HeaderMap, Answer), Failure> {
        let settings = &self.inner.settings;
        let url = settings.base_url.join(path).map_err(|e| Failure::Rejected { status: 0, reason: e.to_string() })?;
        let request = self.inner.http.get(url).query(query);
        let request = match &settings.credential {
            TmdbCredential::V3Key(key) => request.query(&[("api_key", key.expose_secret())]),
            TmdbCredential::V4Bearer(token) => request.bearer_auth(token.expose_secret()),
        };
        let response = request.send().await.map_err(transport)?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok((headers, classify(status, &read_body(response).await?)))
    }
}

/// The base with a slash at its end; without it, joining a path would replace the last part.
fn directory(mut base: Url) -> Result<Url, SourceError> {
    if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") {
        return Err(SourceError::BaseUrl("it must begin with http:// or https://".to_owned()));
    }
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.set_query(None);
    base.set_fragment(None);
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_keeps_its_last_part() {
        let base = directory("http://stub:1/3?x=y".parse().unwrap()).unwrap();
        assert_eq!(base.join("movie/5").unwrap().as_str(), "http://stub:1/3/movie/5");
        assert!(directory("mailto:a@b".parse().unwrap()).is_err());
    }
}
