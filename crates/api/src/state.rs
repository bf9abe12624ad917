//! What handlers work with; one per process, shared by all worker threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use query::Reader;
use query::lag::Lag;
use secrecy::ExposeSecret;
use settings::ApiSettings;
use sqlx::PgPool;
use storage::StorageError;
use storage::changes::ChangeFeed;
use storage::event_log::{EventLogConfig, EventSink};
use storage::search_index::SearchIndex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::cache::{Answers, ResponseCache};

/// Longest the start waits for the database, to cache from the first request on. It may well be away then.
const FIRST_READ: Duration = Duration::from_millis(800);

/// Operators who follow a job at a time: each asks the database once a second.
const JOB_STREAMS_MAX: usize = 64;

/// The stores behind the API, and what it was told.
pub struct State {
    pub pool: PgPool,
    /// Where events and reviews are safe before they are counted.
    pub event_log: Arc<dyn EventSink>,
    /// Reads what questions about movies ask for.
    pub reader: Arc<Reader>,
    /// Answers them, from `cache` or by `reader`.
    pub answers: Answers,
    /// What the database tells this process.
    pub feed: Arc<ChangeFeed>,
    pub cache: Arc<ResponseCache>,
    /// Places for those who follow a job.
    pub job_streams: Arc<Semaphore>,
    /// Cancelled when answers that go on have to end.
    pub stopping: CancellationToken,
    pub assets_dir: PathBuf,
    pub metrics: PrometheusHandle,
}

impl State {
    /// Connects to nothing that must be there: every store may be down when the API starts.
    ///
    /// # Errors
    /// A malformed URL.
    pub async fn build(settings: &ApiSettings, metrics: PrometheusHandle) -> Result<Self, StorageError> {
        let database = &settings.database;
        let pool = storage::postgres::connect_for_requests(
            database.url.expose_secret(),
            database.pool_size,
            database.acquire_timeout,
        )?;
        let meili = settings.meili.as_ref().map(|meili| (meili.url.as_str(), meili.key.as_ref(), meili.index.as_str()));
        let feed = Arc::new(ChangeFeed::default());
        match tokio::time::timeout(FIRST_READ, feed.read(&pool)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "starting without the database"),
            Err(_) => tracing::warn!("starting without the database, which does not answer"),
        }
        let event_log: Arc<dyn EventSink> = storage::event_log::open(&EventLogConfig {
            url: settings.event_log.url(&settings.redis).clone(),
            prefix: settings.redis.prefix.clone(),
            capacity: settings.event_log.capacity,
        })?;
        let lag = Arc::new(Lag::new(event_log.clone(), settings.speed_lag_limit));
        let search = SearchIndex::new(pool.clone(), meili)?;
        let reader = Arc::new(Reader::new(pool.clone(), search, lag));
        let cache = Arc::new(ResponseCache::new(&settings.cache, feed.clone())?);
        Ok(Self {
            event_log,
            answers: Answers::new(cache.clone(), reader.clone()),
            reader,
            cache,
            job_streams: Arc::new(Semaphore::new(JOB_STREAMS_MAX)),
            stopping: CancellationToken::new(),
            assets_dir: settings.assets_dir.clone(),
            feed,
            pool,
            metrics,
        })
    }
}
