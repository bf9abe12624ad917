//! The state that handlers share; one instance per process, used by all worker threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use query::Reader;
use query::experiment::RunningExperiment;
use query::lag::Lag;
use query::list_log::ListLog;
use query::model::ActiveModel;
use query::recommendations::Rules;
use secrecy::ExposeSecret;
use settings::{ApiSettings, RecommendationSettings};
use sqlx::PgPool;
use storage::StorageError;
use storage::changes::ChangeFeed;
use storage::event_log::{EventLogConfig, EventSink};
use storage::objects::{Objects, ObjectsConfig};
use storage::search_index::SearchIndex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::answer::{Answers, ResponseCache};
use crate::names::Names;

/// Time limit for the first read of the cache generations at start. With it, answers are cached from the first request
/// on; without the database the API starts all the same.
const FIRST_READ: Duration = Duration::from_millis(800);

/// Number of concurrent job streams; each may query the database once a second, while its job progresses.
const JOB_STREAMS_MAX: usize = 64;

/// Stores, caches and settings of the running API.
pub struct State {
    pub pool: PgPool,
    /// The event log, which stores events and reviews durably until the speed layer has counted them.
    pub event_log: Arc<dyn EventSink>,
    /// Decides whether facts about unknown movies are accepted.
    pub admission: Arc<Admission>,
    /// Looks movies up by IMDb id and alias.
    pub names: Names,
    /// Answers questions about movies from the stores.
    pub reader: Arc<Reader>,
    /// Answers requests from `cache`, or by `reader`.
    pub answers: Answers,
    /// The recommender's active model; none before the first was promoted.
    pub model: Arc<ActiveModel>,
    /// The object store with the files of models.
    pub objects: Objects,
    /// Receives the database's notifications and distributes them to this process.
    pub feed: Arc<ChangeFeed>,
    pub cache: Arc<ResponseCache>,
    /// The experiment that runs now.
    pub experiment: Arc<RunningExperiment>,
    /// Permits for job streams, [`JOB_STREAMS_MAX`] in total.
    pub job_streams: Arc<Semaphore>,
    /// The turn to import a viewer's history.
    pub importing: Semaphore,
    /// Cancelled at shutdown; ends all event streams.
    pub stopping: CancellationToken,
    pub assets_dir: PathBuf,
    /// The header in which a proxy in front of the API names its client.
    pub client_header: Option<String>,
    pub metrics: PrometheusHandle,
}

impl State {
    /// Creates the state. No store has to be reachable: the API starts while any of them is down.
    ///
    /// # Errors
    /// A store's URL is malformed.
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
            Err(_) => tracing::warn!(timeout = ?FIRST_READ, "starting without the database: it does not answer"),
        }
        let event_log: Arc<dyn EventSink> = storage::event_log::open(&EventLogConfig {
            url: settings.event_log.url(&settings.redis).clone(),
            prefix: settings.redis.prefix.clone(),
            capacity: settings.event_log.capacity,
        })?;
        let lag = Arc::new(Lag::new(event_log.clone(), settings.speed_lag_limit));
        let search = SearchIndex::new(pool.clone(), meili)?;
        let admission = Arc::new(Admission::new(pool.clone(), settings.waiting, lag.clone()));
        let mut reader = Reader::new(pool.clone(), search, lag, settings.streams_per_client);
        let RecommendationSettings { weights, batch_share, exploration_share, log_share } =
            settings.recommendations.clone();
        reader.rules = Rules { weights, batch_share, exploration_share };
        reader.list_log = Arc::new(ListLog::new(log_share));
        let reader = Arc::new(reader);
        let objects = Objects::open(&ObjectsConfig {
            url: settings.objects.url.clone(),
            endpoint: settings.objects.endpoint.clone(),
            region: settings.objects.region.clone(),
            keys: settings.objects.keys.clone(),
        })?;
        let cache = Arc::new(ResponseCache::new(&settings.cache, feed.clone())?);
        Ok(Self {
            event_log,
            admission,
            names: Names::new(pool.clone()),
            answers: Answers::new(cache.clone(), reader.clone()),
            model: reader.model.clone(),
            reader,
            objects,
            cache,
            experiment: Arc::default(),
            importing: Semaphore::new(1),
            job_streams: Arc::new(Semaphore::new(JOB_STREAMS_MAX)),
            stopping: CancellationToken::new(),
            assets_dir: settings.assets_dir.clone(),
            client_header: settings.client_header.clone(),
            feed,
            pool,
            metrics,
        })
    }
}
