//! The exclusive right to write a source's records: two concurrent ingests of one source would move each other's
//! cursor. It is a row that expires, not a session's lock, which a dead host would keep until the server's TCP
//! connection times out.

use std::time::Duration;

use domain::ingest::Source;
use sqlx::{PgConnection, PgPool};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::StorageError;

/// Life of a lease without a renewal: how long others wait for a dead host.
pub const SOURCE_LEASE: Duration = Duration::from_secs(30);

/// Interval of renewals; five may fail before the lease ends.
const RENEWAL: Duration = Duration::from_secs(5);

/// A source's lease, until [`SourceLease::release`] or [`SOURCE_LEASE`] after its last renewal.
#[derive(Debug)]
pub struct SourceLease {
    pool: PgPool,
    source: Source,
    token: Uuid,
    released: bool,
}

/// The answer to [`SourceLease::take`].
#[derive(Debug)]
pub enum Taken {
    /// The caller has it.
    Lease(SourceLease),
    /// Who else has it.
    HeldBy(String),
}

impl SourceLease {
    /// Takes a source's lease if nobody holds it. A holder takes its own over: the next attempt at a job need not wait
    /// for the lease of the one that died, and fences that one off. `pool` is used for renewals.
    pub async fn take(pool: &PgPool, source: Source, holder: &str) -> Result<Taken, StorageError> {
        let token = Uuid::new_v4();
        let held_by = sqlx::query_scalar!(
            r#"WITH taken AS (
                   INSERT INTO source_leases AS l (source, token, holder, expires_at)
                   VALUES ($1, $2, $3, now() + make_interval(secs => $4))
                   ON CONFLICT (source) DO UPDATE
                   SET token = excluded.token, holder = excluded.holder, taken_at = now(), expires_at = excluded.expires_at
                   WHERE l.expires_at < now() OR l.holder = excluded.holder
                   RETURNING holder)
               -- A holder that this statement's snapshot does not contain has just taken it.
               SELECT CASE WHEN EXISTS (SELECT 1 FROM taken) THEN NULL
                      ELSE coalesce((SELECT holder FROM source_leases WHERE source = $1), 'another process') END"#,
            source.as_str(),
            token,
            holder,
            SOURCE_LEASE.as_secs_f64(),
        )
        .fetch_one(pool)
        .await?;
        Ok(match held_by {
            None => Taken::Lease(Self { pool: pool.clone(), source, token, released: false }),
            Some(holder) => Taken::HeldBy(holder),
        })
    }

    /// The source.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Checks the lease within the caller's transaction, and keeps others from taking it until that ends. Call it right
    /// before the commit: renewals wait meanwhile.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] where somebody else has taken it.
    pub async fn check(&self, conn: &mut PgConnection) -> Result<(), StorageError> {
        let held = sqlx::query_scalar!(
            r#"SELECT true AS "held!" FROM source_leases WHERE source = $1 AND token = $2 FOR SHARE"#,
            self.source.as_str(),
            self.token,
        )
        .fetch_optional(conn)
        .await?;
        held.map(drop).ok_or_else(|| self.lost())
    }

    /// Does `work` and renews the lease meanwhile.
    ///
    /// # Errors
    /// The error of `work`, or [`StorageError::LeaseLost`]; `work` is dropped then.
    pub async fn renewed_during<T, E: From<StorageError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            result = work => result,
            lost = self.renew() => Err(lost.into()),
        }
    }

    /// Renews until the lease is lost.
    async fn renew(&self) -> StorageError {
        let mut tick = tokio::time::interval(RENEWAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let renewed = sqlx::query!(
                "UPDATE source_leases SET expires_at = now() + make_interval(secs => $3) WHERE source = $1 AND token = $2",
                self.source.as_str(),
                self.token,
                SOURCE_LEASE.as_secs_f64(),
            )
            .execute(&self.pool)
            .await;
            match renewed {
                Ok(done) if done.rows_affected() == 1 => {}
                Ok(_) => return self.lost(),
                // Nobody else can take it while the database is away, and every write checks it.
                Err(error) => tracing::warn!(%error, source = self.source.as_str(), "a source's lease was not renewed"),
            }
        }
    }

    /// Gives the lease back. Where that fails it expires.
    pub async fn release(mut self) {
        self.released = true;
        delete(&self.pool, self.source, self.token).await;
    }

    fn lost(&self) -> StorageError {
        StorageError::LeaseLost(format!("the lease of source {}", self.source.as_str()))
    }
}

impl Drop for SourceLease {
    /// For an ingest that is cancelled: the next one need not wait until the lease expires.
    fn drop(&mut self) {
        if !self.released
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (pool, source, token) = (self.pool.clone(), self.source, self.token);
            runtime.spawn(async move { delete(&pool, source, token).await });
        }
    }
}

async fn delete(pool: &PgPool, source: Source, token: Uuid) {
    let deleted = sqlx::query!("DELETE FROM source_leases WHERE source = $1 AND token = $2", source.as_str(), token)
        .execute(pool)
        .await;
    if let Err(error) = deleted {
        tracing::debug!(%error, source = source.as_str(), "a source's lease was not released; it will expire");
    }
}
