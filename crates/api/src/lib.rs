//! The HTTP API: reads precomputed artifacts, searches, and hands job triggers to the ledger.
//!
//! Where to start reading: [`router`] has the whole URL space, a file under `routes/` tells one resource's story.

pub mod access;
pub mod cache;
mod endpoint;
pub mod endpoints;
pub mod error;
pub mod export;
pub mod extract;
pub mod middleware;
pub mod openapi;
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
use query::{active, lag};
use settings::{ApiSettings, shutdown};
use sqlx::PgPool;
use storage::StorageError;
use storage::changes::ChangeFeed;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use routes::docs::Description;

pub use state::State;

/// How long requests under way may finish after SIGTERM; below Kubernetes' 30 s.
const DRAIN_SECONDS: u64 = 25;

/// A head that has not arrived by then is answered 408.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the API does not start.
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

/// The API, bound to its port. Production and tests build it here.
pub struct Application {
    server: Server,
    port: u16,
    state: Data<State>,
    stopping: CancellationToken,
    /// Tasks beside the requests; they end with the application.
    background: JoinSet<()>,
}

impl Application {
    /// Binds the port (0 for any free one) and prepares everything; requests are answered by
    /// [`Application::run_until_stopped`].
    pub async fn build(settings: ApiSettings) -> Result<Self, StartError> {
        let metrics = telemetry::handle()?;
        let state = Data::new(State::build(&settings, metrics.clone()).await?);
        let (kept, stopping) = (state.clone(), state.stopping.clone());
        let mut background = JoinSet::new();
        // Before anything is heard, so that nothing of it is missed.
        let (for_cache, for_trending) = (state.feed.subscribe(), state.feed.subscribe());
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

    /// The port that was bound.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the application from outside, as tests do.
    pub fn handle(&self) -> Handle {
        Handle { server: self.server.handle(), stopping: self.stopping.clone() }
    }

    /// Answers requests until SIGTERM, SIGINT or the handle says stop; requests under way are finished first.
    pub async fn run_until_stopped(mut self) -> Result<(), StartError> {
        let handle = self.handle();
        tracing::info!(port = self.port, "listening");
        let stop = handle.clone();
        let signals = tokio::spawn(async move {
            match shutdown::requested().await {
                Ok(()) => stop.stop().await,
                Err(error) => tracing::error!(%error, "signals cannot be heard; stop the process with SIGKILL"),
            }
        });
        let mut server = pin!(self.server);
        let outcome = tokio::select! {
            outcome = &mut server => outcome,
            // They never end by themselves. Without one of them answers would grow old unseen: better to be restarted.
            Some(ended) = self.background.join_next() => {
                tracing::error!(?ended, "a task that answers depend on has died; stopping");
                let (_, outcome) = futures::join!(handle.stop(), server);
                outcome.and(Err(io::Error::other("a task beside the requests has died")))
            }
        };
        signals.abort();
        // The listener among these tasks holds a connection that closing the pool would wait for.
        self.background.shutdown().await;
        self.state.reader.close().await;
        self.state.pool.close().await;
        tracing::info!("stopped");
        Ok(outcome?)
    }
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
    /// Ends answers that go on, then waits for the requests under way.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.server.stop(true).await;
    }
}

/// One worker thread a core.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
