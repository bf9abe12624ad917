//! A running API for one test.

use std::time::Duration;

use api::{Application, Handle};
use domain::artifacts::CacheFamily;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use settings::{
    ApiSettings, CacheSettings, DatabaseSettings, EventLogSettings, LogSettings, ObjectStoreSettings,
    RecommendationSettings, RedisSettings, WaitingSettings,
};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use test_support::fixture;

pub const ADMIN_KEY: &str = "an admin key for tests";

/// Where nothing listens.
pub const NOWHERE: &str = "127.0.0.1:1";

/// Settings over the test's database; change what the test is about.
pub fn settings(pool: &PgPool) -> ApiSettings {
    settings_for(test_support::database_url(pool))
}

pub fn settings_for(database_url: String) -> ApiSettings {
    ApiSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        workers: Some(1),
        admin_key_sha256: Some(Sha256::digest(ADMIN_KEY).into()),
        assets_dir: "/nonexistent".into(),
        streams_per_client: 16,
        client_header: None,
        database: DatabaseSettings {
            url: SecretString::from(database_url),
            pool_size: 5,
            acquire_timeout: Duration::from_secs(5),
        },
        redis: RedisSettings { url: test_support::redis_url(), prefix: test_support::unique_prefix() },
        event_log: EventLogSettings { url: None, capacity: 100_000 },
        waiting: WaitingSettings { per_movie: 10_000, total: 200_000, kept: Duration::from_secs(86_400) },
        speed_lag_limit: Duration::from_secs(300),
        cache: CacheSettings {
            url: test_support::cache_redis_url(),
            prefix: test_support::unique_prefix(),
            memory_bytes: 16 * 1024 * 1024,
            ttl: CacheFamily::ALL.map(|family| (family, Duration::from_secs(60))).to_vec(),
            stale_while_revalidate: Duration::from_secs(30),
            stale_if_error: Duration::from_secs(600),
            warm: 50,
        },
        recommendations: RecommendationSettings::default(),
        objects: ObjectStoreSettings {
            url: std::env::temp_dir().join(test_support::unique_prefix()).display().to_string(),
            endpoint: None,
            region: "us-east-1".into(),
            keys: None,
        },
        meili: None,
        log: LogSettings { filter: "off".into(), json: false },
    }
}

pub struct TestApp {
    pub address: String,
    client: reqwest::Client,
    server: Handle,
    running: tokio::task::JoinHandle<()>,
}

impl TestApp {
    /// Over the small world.
    pub async fn start(pool: &PgPool) -> Self {
        fixture::small(pool).await;
        Self::run(settings(pool)).await
    }

    pub async fn run(settings: ApiSettings) -> Self {
        let application = Application::build(settings).await.unwrap();
        let (address, server) = (format!("127.0.0.1:{}", application.port()), application.handle());
        let running = tokio::spawn(async { application.run_until_stopped().await.unwrap() });
        // Without a proxy from the environment, and without undoing compression.
        let client = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
        Self { address, client, server, running }
    }

    /// Closes the API's connections, so that the test's database can be dropped.
    pub async fn stop(self) {
        self.server.stop().await;
        self.running.await.unwrap();
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn get_with(&self, path: &str, header: &str, value: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).header(header, value)).await
    }

    /// With a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// With the admin key.
    pub async fn admin_get(&self, path: &str) -> Answer {
        self.get_with(path, "X-API-Key", ADMIN_KEY).await
    }

    /// With the admin key.
    pub async fn admin_delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path).header("X-API-Key", ADMIN_KEY)).await
    }

    /// With the admin key and, unless it is null, a JSON body.
    pub async fn admin_post(&self, path: &str, body: Value) -> Answer {
        let request = self.request(Method::POST, path).header("X-API-Key", ADMIN_KEY);
        Answer::of(if body.is_null() { request } else { request.json(&body) }).await
    }

    /// With the admin key and a JSON body.
    pub async fn admin_put(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).header("X-API-Key", ADMIN_KEY).json(&body)).await
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }

    /// Status, code and field of a problem, which must be complete.
    #[track_caller]
    pub fn problem(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(text("type"), format!("urn:moviemetric:problem:{}", text("code")));
        assert_eq!(text("request_id"), self.header("x-request-id"));
        assert!(!text("title").is_empty() && !text("detail").is_empty() && !text("request_id").is_empty(), "{body}");
        (self.status.as_u16(), text("code"), text("field"))
    }
}

/// The titles of a list's items.
pub fn titles(body: &Value) -> Vec<&str> {
    body["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}
