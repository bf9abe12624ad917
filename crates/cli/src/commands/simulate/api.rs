//! A client of the API.

use std::time::{Duration, SystemTime};

use domain::MovieId;
use domain::page::Limit;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use sources::demo::Showing;
use sources::pause::{Pause, retry_after};
use url::Url;

/// Time limit of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum `Retry-After` that is obeyed.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Pause after an answer that requests one without a length.
const PAUSE_DEFAULT: Duration = Duration::from_secs(1);

/// A client of a running API. All requests share one pause, because a refusal of one applies to all.
pub(super) struct Api {
    http: reqwest::Client,
    base: String,
    pause: Pause,
}

/// Reasons why a post was not accepted.
#[derive(Debug)]
pub(super) enum Failure {
    /// The same post may be accepted later.
    Transient,
    /// The post will never be accepted; contains the problem's code.
    Refused(String),
}

#[derive(Deserialize)]
struct Movies {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    movie_id: MovieId,
    title: String,
    genres: Vec<String>,
    vote_average: f64,
}

impl Api {
    pub(super) fn new(base: &Url) -> Result<Self, String> {
        if !matches!(base.scheme(), "http" | "https") {
            return Err(format!("API_URL must begin with http:// or https://, not {base}"));
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("moviemetric-simulate/", env!("CARGO_PKG_VERSION")))
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self { http, base: base.as_str().trim_end_matches('/').to_owned(), pause: Pause::default() })
    }

    /// Returns the `count` most popular movies, or as many as there are.
    pub(super) async fn movies(&self, count: usize) -> Result<Vec<Showing>, String> {
        let mut movies: Vec<Showing> = Vec::new();
        while movies.len() < count {
            let page = self.get(&format!("/api/v1/movies?limit={}&offset={}", Limit::MAX, movies.len())).await?;
            let page: Movies = page.json().await.map_err(|error| format!("{} lists no movies: {error}", self.base))?;
            let last = page.items.len() < usize::from(Limit::MAX);
            movies.extend(page.items.into_iter().map(|Item { movie_id, title, genres, vote_average }| Showing {
                movie_id,
                title,
                genres,
                vote_average,
            }));
            if last {
                break;
            }
        }
        movies.truncate(count);
        Ok(movies)
    }

    /// Returns the number of views in the movie's page, bypassing every cache.
    pub(super) async fn views(&self, movie: MovieId) -> Result<i64, String> {
        let page = self.get(&format!("/api/v1/movies/{movie}")).await?;
        let page: Value = page.json().await.map_err(|error| format!("movie {movie} is no JSON: {error}"))?;
        page["viewers"]["views"].as_i64().ok_or(format!("movie {movie} has no count of viewers' views"))
    }

    async fn get(&self, path: &str) -> Result<Response, String> {
        let request = self.http.get(format!("{}{path}", self.base)).header(CACHE_CONTROL, "no-cache");
        let answer = request.send().await.map_err(|error| {
            format!(
                "the API at {} cannot be reached: {}; start it with scripts/up.sh, or set API_URL to where it is",
                self.base,
                cause(&error)
            )
        })?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status => Err(format!("{}{path} answered {status}; look into the API's log, or set API_URL", self.base)),
        }
    }

    /// Tries once to post a body, after the current pause; returns the API's answer.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Value, Failure> {
        self.pause.wait().await;
        let request = self.http.post(format!("{}{path}", self.base)).header(CONTENT_TYPE, "application/json");
        let answer = request.body(body).send().await.map_err(|_| Failure::Transient)?;
        let status = answer.status();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
            let wait = header(RETRY_AFTER).and_then(|value| retry_after(value, header(DATE), SystemTime::now()));
            self.pause.extend(wait.unwrap_or(PAUSE_DEFAULT).min(PAUSE_MAX));
            return Err(Failure::Transient);
        }
        if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            return Err(Failure::Transient);
        }
        let said: Value = answer.json().await.map_err(|_| Failure::Transient)?;
        if status.is_success() {
            return Ok(said);
        }
        Err(Failure::Refused(said["code"].as_str().map_or_else(|| status.as_str().to_owned(), str::to_owned)))
    }
}

/// Returns the innermost cause, which says more than "error sending request".
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
