//! The job ledger: enqueueing, leases, the sweep, the schedule's memory.

mod leases;
mod ledger;
mod schedules;
mod sweep;

use domain::JobId;
use domain::jobs::JobKind;
use sqlx::PgPool;
use storage::postgres::jobs::{self, Job, NewJob};

fn probe() -> NewJob {
    NewJob::of(JobKind::Probe, "test")
}

async fn enqueue(pool: &PgPool, new: NewJob) -> JobId {
    jobs::enqueue(&mut pool.acquire().await.unwrap(), new).await.unwrap().0.id
}

async fn get(pool: &PgPool, id: JobId) -> Job {
    jobs::get(&mut pool.acquire().await.unwrap(), id).await.unwrap().unwrap()
}

/// Makes a job's last heartbeat an hour old.
async fn silence(pool: &PgPool, id: JobId) {
    sqlx::query("UPDATE jobs SET heartbeat_at = now() - interval '1 hour' WHERE job_id = $1")
        .bind(id.0)
        .execute(pool)
        .await
        .unwrap();
}
