//! The database as one attempt at a job uses it: connections of its own, which end with the attempt, and transactions
//! that commit only while the attempt holds its lease.
//!
//! Dropping a future ends nothing at the server: PostgreSQL goes on with the statement and keeps its locks. So the
//! attempt's connections carry its lease in `application_name`, under which they can be terminated, from this process
//! or by any dispatcher ([`super::sweep::end_abandoned`]).

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::lease::Lease;
use crate::StorageError;

/// First part of an attempt's `application_name`; the lease's token follows.
pub(super) const APPLICATION_NAME: &str = "moviemetric job ";

/// Time for connections to return to the pool by themselves, before their backends are terminated.
const CLOSE_GRACE: Duration = Duration::from_millis(200);

/// Longest wait for a terminated backend to end. It rolls its transaction back, which takes milliseconds.
const TERMINATION_WAIT: Duration = Duration::from_secs(1);

/// The connections and the lease of one attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    pool: PgPool,
    lease: Lease,
    progressed: Arc<AtomicBool>,
}

impl Attempt {
    /// Connects on first use, with at most `connections`. No statement may take longer than `limit`, the attempt's own
    /// time limit. `service` gives server, database and login; its connections are not used.
    pub fn new(service: &PgPool, lease: Lease, connections: u32, limit: Duration) -> Self {
        let options = PgConnectOptions::clone(&service.connect_options())
            .application_name(&format!("{APPLICATION_NAME}{}", lease.token))
            .options([("statement_timeout", limit.as_millis().min(i32::MAX as u128).to_string())]);
        let pool = service.options().clone().max_connections(connections).connect_lazy_with(options);
        Self { pool, lease, progressed: Arc::default() }
    }

    /// The attempt's connections, for reads and for writes that need no lease.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The lease under which the attempt writes.
    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// Begins a transaction that commits only while the lease is held.
    pub async fn begin(&self) -> Result<Fenced, StorageError> {
        Ok(Fenced { transaction: self.pool.begin().await?, attempt: self.clone() })
    }

    /// Whether the attempt has committed progress that the next attempt builds on ([`Fenced::commit_progress`]).
    pub fn has_progressed(&self) -> bool {
        self.progressed.load(Ordering::Acquire)
    }

    /// Closes the attempt's connections. A statement that still runs is ended at the server, so that it neither goes on
    /// nor holds locks beside the next attempt.
    ///
    /// # Errors
    /// The database is unreachable; a dispatcher ends the connections later.
    pub async fn end(&self, service: &PgPool) -> Result<(), StorageError> {
        // Also where all have closed: a backend that works notices that its client has left when its statement ends.
        let closed = tokio::time::timeout(CLOSE_GRACE, self.pool.close()).await.is_ok();
        sqlx::query!(
            r#"SELECT pg_terminate_backend(pid, $2) AS "ended!" FROM pg_stat_activity
               WHERE datname = current_database() AND usename = current_user AND application_name = $1"#,
            format!("{APPLICATION_NAME}{}", self.lease.token),
            TERMINATION_WAIT.as_millis() as i64,
        )
        .fetch_all(service)
        .await?;
        if !closed {
            // Pings of connections that the server has closed; what hangs is dropped with the process.
            let _ = tokio::time::timeout(TERMINATION_WAIT, self.pool.close()).await;
        }
        Ok(())
    }
}

/// A transaction of an attempt. It rolls back when dropped.
#[derive(Debug)]
pub struct Fenced {
    transaction: Transaction<'static, Postgres>,
    attempt: Attempt,
}

impl Deref for Fenced {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Fenced {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

impl Fenced {
    /// Commits, if the attempt still holds its lease.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] where another attempt may run; nothing is written.
    pub async fn commit(mut self) -> Result<(), StorageError> {
        let Lease { job_id, token } = self.attempt.lease;
        // Asked last, so that the lock on the job's row, which heartbeats need, is held for the commit only.
        let held = sqlx::query_scalar!(
            r#"SELECT true AS "held!" FROM jobs WHERE job_id = $1 AND lease = $2 AND status = 'running' FOR SHARE"#,
            job_id.0,
            token,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        self.commit_if(held.is_some(), token).await.map(drop)
    }

    /// Like [`Fenced::commit`], for work that the next attempt need not repeat. It renews the job's attempts and
    /// forgets its crashes: what brings a long job forward between two failures is not what causes them.
    ///
    /// # Errors
    /// As [`Fenced::commit`].
    pub async fn commit_progress(mut self) -> Result<(), StorageError> {
        let Lease { job_id, token } = self.attempt.lease;
        let held = sqlx::query!(
            "UPDATE jobs SET attempts = 1, crashes = 0 WHERE job_id = $1 AND lease = $2 AND status = 'running'",
            job_id.0,
            token,
        )
        .execute(&mut *self.transaction)
        .await?;
        let attempt = self.commit_if(held.rows_affected() == 1, token).await?;
        attempt.progressed.store(true, Ordering::Release);
        Ok(())
    }

    async fn commit_if(self, held: bool, token: Uuid) -> Result<Attempt, StorageError> {
        if !held {
            return Err(StorageError::LeaseLost(format!("lease {token} of the job")));
        }
        self.transaction.commit().await?;
        Ok(self.attempt)
    }
}
