//! The HTTP API. It serves precomputed artifacts and search results, and writes job triggers to the job ledger.
//!
//! Start reading at [`endpoints`], the list of all paths; each file under `routes/` implements one resource.

pub mod access;
pub mod admission;
pub mod answer;
mod endpoint;
pub mod endpoints;
pub mod error;
pub mod export;
pub mod extract;
pub mod middleware;
mod names;
mod openapi;
pub mod paths;
pub mod router;
pub mod routes;
pub mod sse;
mod state;
mod telemetry;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use futures::future::BoxFuture;
use query::experiment::RunningExperiment;
use query::list_log::ListLog;
use query::{active, lag};
use settings::{ApiSettings, shutdown};
use sqlx::PgPool;
use storage::StorageError;
use storage::changes::ChangeFeed;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use routes::docs::Description;

pub use state::State;

/// Graceful-shutdown time for requests in progress after SIGTERM, in seconds; less than Kubernetes' default of 30.
const DRAIN_SECONDS: u64 = 25;

/// Time limit for receiving a request's head; after that the answer is 408.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Reasons why the API fails to start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address} (API_HOST, API_PORT): {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("the OpenAPI description cannot be written: {0}")]
    Description(#[from] serde_json::Error),
    #[error("the server stopped: {0}")]
    Server(#[from] io::Error),
}

/// The API, bound to its port. Production code and tests build it with [`Application::build`].
pub struct Application {
    server: Server,
    port: u16,
    state: Data<State>,
    stopping: CancellationToken,
    /// Background tasks. They are aborted when the application stops.
    background: JoinSet<()>,
}

impl Application {
    /// Binds the port (0 selects a free one) and starts the background tasks. [`Application::run_until_stopped`] serves
    /// the requests.
    ///
    /// Boxed, so that it is compiled once, here: an `async fn` is compiled again in each program that awaits it.
    pub fn build(settings: ApiSettings) -> BoxFuture<'static, Result<Self, StartError>> {
        Box::pin(Self::start(settings))
    }

    async fn start(settings: ApiSettings) -> Result<Self, StartError> {
        let metrics = telemetry::handle()?;
        let state = Data::new(State::build(&settings, metrics.clone()).await?);
        let (kept, stopping) = (state.clone(), state.stopping.clone());
        let mut background = JoinSet::new();
        // Subscribe before the feed starts, so that no change is missed.
        let (for_cache, for_trending) = (state.feed.subscribe(), state.feed.subscribe());
        let (model, for_model) = (state.model.clone(), state.feed.subscribe());
        let cache = state.cache.clone();
        // A list that was computed before the swap may be cached under the generation of the promotion.
        background
            .spawn(model.follow(state.objects.clone(), state.pool.clone(), for_model, move || cache.outdate_live()));
        background.spawn(state.cache.clone().follow(for_cache));
        let (reader, cache) = (&state.reader, state.cache.clone());
        background.spawn(active::follow(reader.active.clone(), reader.pool.clone(), for_trending, move || {
            cache.caught_up();
        }));
        background.spawn(active::recompute(reader.watched.clone(), reader.active.clone()));
        background.spawn(state.cache.clone().warm());
        background.spawn(follow_changes(state.feed.clone(), state.pool.clone()));
        let cache = state.cache.clone();
        background.spawn(lag::watch(reader.lag.clone(), move || cache.outdate_live()));
        background.spawn(admission::watch(state.admission.clone()));
        background.spawn(log_lists(state.reader.list_log.clone(), state.pool.clone()));
        background.spawn(follow_experiment(state.experiment.clone(), state.pool.clone()));
        background.spawn(telemetry::upkeep(metrics));

        let (address, keys) = (settings.listen, access::Keys { admin_sha256: settings.admin_key_sha256 });
        let description = Data::new(Description(openapi::document().to_json()?.into()));
        let app = move || {
            App::new()
                .app_data(description.clone())
                .app_data(state.clone())
                .app_data(keys)
                .configure(router::configure)
                .wrap(Compress::default())
                .wrap(from_fn(middleware::context))
        };
        let server = HttpServer::new(app)
            .workers(settings.workers.unwrap_or_else(default_workers))
            .client_request_timeout(HEAD_TIMEOUT)
            .shutdown_timeout(DRAIN_SECONDS)
            .disable_signals()
            .bind(address)
            .map_err(|source| StartError::Listen { address, source })?;
        let port = server.addrs().first().map_or(address.port(), SocketAddr::port);
        Ok(Self { server: server.run(), port, state: kept, stopping, background })
    }

    /// Returns the port that the server is bound to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns a handle that stops the application; tests use it.
    pub fn handle(&self) -> Handle {
        Handle { server: self.server.handle(), stopping: self.stopping.clone() }
    }

    /// Serves requests until SIGTERM, SIGINT or [`Handle::stop`], then waits for requests in progress.
    /// Boxed for the same reason as [`Application::build`].
    pub fn run_until_stopped(self) -> BoxFuture<'static, Result<(), StartError>> {
        Box::pin(self.serve())
    }

    async fn serve(mut self) -> Result<(), StartError> {
        let handle = self.handle();
        tracing::info!(port = self.port, "listening");
        let stop = handle.clone();
        let signals = tokio::spawn(async move {
            match shutdown::requested().await {
                Ok(()) => stop.stop().await,
                Err(error) => tracing::error!(%error, "cannot listen for signals; only SIGKILL stops this process"),
            }
        });
        let mut server = pin!(self.server);
        let outcome = tokio::select! {
            outcome = &mut server => outcome,
            // Background tasks never end normally. Without one of them, answers would become outdated unnoticed, so the
            // process stops and its supervisor restarts it.
            Some(ended) = self.background.join_next() => {
                tracing::error!(?ended, "a background task has ended; stopping");
                let (_, outcome) = futures::join!(handle.stop(), server);
                outcome.and(Err(io::Error::other("a background task has ended")))
            }
        };
        signals.abort();
        // Closing the pool waits for all connections, and the change feed's listener holds one.
        self.background.shutdown().await;
        self.state.reader.list_log.finish(&self.state.pool).await;
        self.state.reader.close().await;
        self.state.pool.close().await;
        tracing::info!("stopped");
        Ok(outcome?)
    }
}

async fn log_lists(log: Arc<ListLog>, pool: PgPool) {
    match log.run(pool).await {}
}

async fn follow_experiment(experiment: Arc<RunningExperiment>, pool: PgPool) {
    match experiment.follow(&pool).await {}
}

async fn follow_changes(feed: Arc<ChangeFeed>, pool: PgPool) {
    match feed.follow(&pool).await {}
}

/// Stops a running application.
#[derive(Clone)]
pub struct Handle {
    server: ServerHandle,
    stopping: CancellationToken,
}

impl Handle {
    /// Ends all event streams, then waits for the requests in progress.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.server.stop(true).await;
    }
}

/// Returns the default number of worker threads: one per CPU core.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
