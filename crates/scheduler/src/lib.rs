//! The scheduler: at each tick of a line it writes one row into the job ledger and settles the tick in the same
//! transaction. So two schedulers enqueue a tick once, and a tick that could not be enqueued is still to be settled.

pub mod table;
mod tick;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use settings::SchedulerSettings;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::health;
use tokio::time::MissedTickBehavior;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use table::Line;
use tick::Ticks;

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
    /// enqueued already.
    pub async fn catch_up(&self) {
        catch_up(&self.ticks()).await;
    }

    fn ticks(&self) -> Vec<Arc<Ticks>> {
        self.lines.iter().map(|line| Arc::new(Ticks::new(self.pool.clone(), line.clone()))).collect()
    }

    /// Ticks until `stop` completes, and catches up with ticks that were missed: while no scheduler ran, or while the
    /// database was away.
    ///
    /// # Errors
    /// When tokio-cron-scheduler cannot be started, or `stop` fails.
    pub async fn run_until(self, stop: impl Future<Output = std::io::Result<()>>) -> Result<(), SchedulerError> {
        let ticks = self.ticks();
        let mut clock = JobScheduler::new().await?;
        for (line, ticks) in self.lines.iter().zip(&ticks) {
            let ticks = ticks.clone();
            tracing::info!(line = line.name, cron = line.text, "scheduled");
            clock
                .add(Job::new_async(line.text.clone(), move |_, _| {
                    let ticks = ticks.clone();
                    // The callback runs a little late; the tick is the cron expression's own time, which is the same in
                    // every scheduler.
                    Box::pin(async move { ticks.settle(Utc::now()).await })
                })?)
                .await?;
        }
        clock.start().await?;
        let stopped = tokio::select! {
            stopped = stop => stopped,
            never = look_for_missed(&ticks) => match never {},
        };
        clock.shutdown().await?;
        Ok(stopped?)
    }
}

/// Interval of looking for missed ticks; also the longest delay of a tick after the database is back.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

async fn look_for_missed(ticks: &[Arc<Ticks>]) -> Infallible {
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        catch_up(ticks).await;
    }
}

async fn catch_up(ticks: &[Arc<Ticks>]) {
    let now = Utc::now();
    for line in ticks {
        line.settle(now).await;
    }
}
