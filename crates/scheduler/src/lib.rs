//! The scheduler: at each tick of a line it writes one row into the job ledger, with an idempotency key made of line
//! and tick time. So two schedulers enqueue a tick once, and catching up after a downtime means enqueueing the last
//! tick again.

pub mod table;
mod tick;

use std::pin::Pin;

use chrono::Utc;
use settings::SchedulerSettings;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::health;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use table::Line;

/// The scheduler, built and ready to run.
pub struct Application {
    pool: PgPool,
    lines: Vec<Line>,
}

/// Why the scheduler ended.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// tokio-cron-scheduler could not be started or shut down.
    #[error("tokio-cron-scheduler: {0}")]
    Clock(#[from] JobSchedulerError),
    /// The future that completes at shutdown failed.
    #[error("waiting for a signal: {0}")]
    Signal(#[from] std::io::Error),
}

impl Application {
    /// Connects to PostgreSQL.
    ///
    /// # Errors
    /// [`StorageError`] when PostgreSQL is unreachable.
    pub async fn build(settings: &SchedulerSettings, lines: Vec<Line>) -> Result<Self, StorageError> {
        let database = &settings.database;
        let pool =
            storage::postgres::connect(database.expose_url(), database.pool_size, database.acquire_timeout, false)
                .await?;
        Ok(Self { pool, lines })
    }

    /// Uses an existing pool, for tests.
    pub fn over(pool: PgPool, lines: Vec<Line>) -> Self {
        Self { pool, lines }
    }

    /// The check behind `/health/ready`: PostgreSQL answers and its schema is up to date.
    pub fn readiness(
        &self,
    ) -> impl Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync + 'static {
        let pool = self.pool.clone();
        move || {
            let pool = pool.clone();
            Box::pin(async move { health::ready(&pool).await })
        }
    }

    /// Enqueues the last tick before now of every line, unless that tick is older than the line's first start or was
    /// enqueued on time. If a line missed several ticks, only the last one is enqueued: running a nightly job once is
    /// enough.
    pub async fn catch_up(&self) {
        let now = Utc::now();
        for line in &self.lines {
            tick::catch_up(&self.pool, line, now).await;
        }
    }

    /// Catches up, then ticks until `stop` completes.
    ///
    /// # Errors
    /// When tokio-cron-scheduler cannot be started, or `stop` fails.
    pub async fn run_until(self, stop: impl Future<Output = std::io::Result<()>>) -> Result<(), SchedulerError> {
        self.catch_up().await;
        let mut clock = JobScheduler::new().await?;
        for line in self.lines {
            let pool = self.pool.clone();
            tracing::info!(line = line.name, cron = line.text, "scheduled");
            clock
                .add(Job::new_async(line.text.clone(), move |_, _| {
                    let (pool, line) = (pool.clone(), line.clone());
                    Box::pin(async move { tick::now(&pool, &line, Utc::now()).await })
                })?)
                .await?;
        }
        clock.start().await?;
        let stopped = stop.await;
        clock.shutdown().await?;
        Ok(stopped?)
    }
}
