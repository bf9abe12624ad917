//! The worker. The [`dispatcher`] sends waiting jobs from the ledger to Redis; apalis delivers their ids to the
//! [`runner`], which claims the job, runs its function in [`jobs`], renews its lease and records its result. The
//! worker's other role is the speed layer ([`speed`]).

mod context;
mod dispatcher;
mod error;
mod features;
pub mod jobs;
mod poll;
mod profiles;
mod recommender;
mod runner;
mod scoring;
mod search;
mod speed;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apalis::prelude::{Data, Monitor, WorkerBuilder, WorkerBuilderExt};
use domain::JobId;
use futures::future::BoxFuture;
use settings::{Role, WorkerSettings};
use sources::tmdb::TmdbClient;
use sqlx::PgPool;
use storage::StorageError;
use storage::objects::{Objects, ObjectsConfig};
use storage::postgres::health;
use storage::queue::JobQueue;
use storage::search_index::SearchIndex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use context::{JobContext, Stop, Stopped};
pub use error::JobError;

/// Handles shared by all jobs.
#[derive(Clone)]
pub struct Shared {
    /// PostgreSQL, for the worker itself: a job uses [`JobContext::pool`].
    pub pool: PgPool,
    /// The search engines.
    pub search: SearchIndex,
    /// The object store with the files of models.
    pub objects: Objects,
    /// The process's settings.
    pub settings: Arc<WorkerSettings>,
    /// Unique per process and start: two workers with one name would hide each other's orphaned tasks from apalis.
    pub name: Arc<str>,
    /// The TMDB client, shared by all jobs so that they respect the rate limit together.
    tmdb: Arc<OnceLock<TmdbClient>>,
    tasks: TaskTracker,
    /// Cancelled after the drain time: running jobs must return to the ledger.
    release_jobs: CancellationToken,
}

/// The worker, built and ready to run.
pub struct Application {
    shared: Shared,
    queue: JobQueue,
}

/// Time for jobs to return to the ledger after the drain time.
const RELEASE_TIME: Duration = Duration::from_secs(3);

impl Application {
    /// Connects to PostgreSQL and Redis.
    ///
    /// # Errors
    /// [`StorageError`] when one of them is unreachable.
    ///
    /// Boxed, so that it is compiled once, here: an `async fn` is compiled again in each program that awaits it.
    pub fn build(settings: WorkerSettings) -> BoxFuture<'static, Result<Self, StorageError>> {
        Box::pin(Self::connect(settings))
    }

    async fn connect(settings: WorkerSettings) -> Result<Self, StorageError> {
        let database = &settings.database;
        // Each attempt at a job connects by itself (`storage::postgres::jobs::attempt`).
        let service_connections = database.pool_size - settings.job_connections();
        let pool =
            storage::postgres::connect(database.expose_url(), service_connections, database.acquire_timeout, false)
                .await?;
        let queue = JobQueue::connect(&settings.redis.url, &settings.redis.prefix).await?;
        let meili = settings.meili.as_ref().map(|m| (m.url.as_str(), m.key.as_ref(), m.index.as_str()));
        let search = SearchIndex::new(pool.clone(), meili)?;
        let objects = Objects::open(&ObjectsConfig {
            url: settings.objects.url.clone(),
            endpoint: settings.objects.endpoint.clone(),
            region: settings.objects.region.clone(),
            keys: settings.objects.keys.clone(),
        })?;
        let name = format!("worker-{}-{}", std::process::id(), uuid::Uuid::new_v4().simple());
        let shared = Shared {
            pool,
            search,
            objects,
            settings: Arc::new(settings),
            name: name.into(),
            tmdb: Arc::default(),
            tasks: TaskTracker::new(),
            release_jobs: CancellationToken::new(),
        };
        Ok(Self { shared, queue })
    }

    /// The check behind `/health/ready`: the schema is up to date and, where this process takes jobs, Redis answers.
    pub fn readiness(&self) -> impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static {
        let pool = self.shared.pool.clone();
        let queue = self.shared.settings.roles.contains(&Role::Jobs).then(|| self.queue.clone());
        move || {
            let (pool, queue) = (pool.clone(), queue.clone());
            Box::pin(async move {
                health::ready(&pool).await?;
                match queue {
                    Some(queue) => queue.ping().await.map(drop).map_err(|_| "Redis is not reachable".to_owned()),
                    None => Ok(()),
                }
            })
        }
    }

    /// Runs until `stop` completes; then takes no more jobs, waits for running ones during the drain time, and returns
    /// the unfinished ones to the queue.
    ///
    /// # Errors
    /// When apalis' monitor ends unexpectedly, or `stop` fails.
    ///
    /// Boxed for the same reason as [`Application::build`].
    pub fn run_until(
        self,
        stop: impl Future<Output = std::io::Result<()>> + Send + 'static,
    ) -> BoxFuture<'static, std::io::Result<()>> {
        self.run(Box::pin(stop))
    }

    /// Not generic, since what is generic is compiled where it is called.
    fn run(self, stop: BoxFuture<'static, std::io::Result<()>>) -> BoxFuture<'static, std::io::Result<()>> {
        Box::pin(self.run_roles(stop))
    }

    async fn run_roles(self, stop: BoxFuture<'static, std::io::Result<()>>) -> std::io::Result<()> {
        let Self { shared, queue } = self;
        let roles = &shared.settings.roles;
        let stopping = CancellationToken::new();
        let speed = match roles.contains(&Role::Speed) {
            true => Some(speed::start(&shared, &stopping).map_err(std::io::Error::other)?),
            false => None,
        };
        let ended = match roles.contains(&Role::Jobs) {
            true => take_jobs(&shared, queue, &stopping, stop).await,
            false => stop.await,
        };
        stopping.cancel();
        if let Some(lanes) = speed
            && tokio::time::timeout(shared.settings.drain + RELEASE_TIME, lanes.wait()).await.is_err()
        {
            tracing::warn!("a micro-batch was not finished; it will be delivered again");
        }
        ended
    }
}

/// Takes jobs until `stop` completes and running jobs have ended or returned to the queue.
async fn take_jobs(
    shared: &Shared,
    queue: JobQueue,
    stopping: &CancellationToken,
    stop: BoxFuture<'static, std::io::Result<()>>,
) -> std::io::Result<()> {
    let keeper = tokio::spawn(search::run(
        shared.pool.clone(),
        shared.search.meilisearch().cloned(),
        shared.settings.search_check,
        stopping.clone(),
    ));
    let dispatcher = tokio::spawn(dispatcher::run(shared.pool.clone(), queue.clone(), stopping.clone()));
    let mut monitor = Monitor::new().should_restart(|_, error| {
        tracing::warn!(%error, "a queue worker stopped; it is restarted");
        true
    });
    for (lane, concurrency) in shared.settings.concurrency.clone() {
        let (shared, queue) = (shared.clone(), queue.clone());
        monitor = monitor.register(move |restart| {
            WorkerBuilder::new(format!("{}-{}-{restart}", shared.name, lane.as_str()))
                .backend(poll::with_steady_tick(queue.storage(lane)))
                .concurrency(concurrency)
                .data(shared.clone())
                .build(handle)
        });
    }
    let monitor_context = monitor.context();
    tracing::info!(worker = %shared.name, "taking jobs");
    let ended = tokio::select! {
        ended = monitor.run() => ended.map_err(std::io::Error::other),
        stop = stop => stop,
    };
    let _ = monitor_context.shutdown();
    stopping.cancel();
    drain(shared).await;
    let _ = dispatcher.await;
    let _ = keeper.await;
    ended
}

async fn drain(shared: &Shared) {
    shared.tasks.close();
    let running = shared.tasks.len();
    if running > 0 {
        tracing::info!(running, seconds = shared.settings.drain.as_secs(), "waiting for running jobs");
    }
    if tokio::time::timeout(shared.settings.drain, shared.tasks.wait()).await.is_err() {
        shared.release_jobs.cancel();
        if tokio::time::timeout(RELEASE_TIME, shared.tasks.wait()).await.is_err() {
            tracing::warn!(running = shared.tasks.len(), "jobs did not stop in time; their leases will expire");
        }
    }
}

/// Handles one delivery. It always acknowledges: the ledger, not the transport, decides whether the job runs again.
async fn handle(id: String, shared: Data<Shared>) -> Result<(), std::io::Error> {
    let Ok(id) = id.parse::<JobId>() else {
        tracing::error!(payload = %id, "a queue entry is no job id; dropped");
        return Ok(());
    };
    let shared = (*shared).clone();
    // A separate task: apalis polls all its workers in one task, and a busy job there would stop their heartbeats.
    let run = shared.tasks.spawn(runner::run(shared.clone(), id));
    if let Err(error) = run.await {
        tracing::error!(job = %id, %error, "the runner panicked; the lease will expire");
    }
    Ok(())
}
