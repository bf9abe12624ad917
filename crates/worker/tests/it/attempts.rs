//! What attempts leave behind at the server, and which connections they use.

use std::time::Duration;

use domain::artifacts::Artifact;
use domain::jobs::{JobKind, JobStatus};
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::artifacts;
use storage::postgres::batch::trends;
use storage::postgres::jobs::attempt::Attempt;
use storage::postgres::jobs::{self, lease, sweep};
use test_support::eventually;

use crate::support::Stack;

/// Statements of attempts that PostgreSQL executes at present.
async fn statements(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'moviemetric job %' AND state <> 'idle'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// A computation that waits for a lock, as one that counts a hundred million events waits for the disk.
async fn stuck(stack: &Stack) -> (sqlx::Transaction<'static, sqlx::Postgres>, domain::JobId) {
    test_support::fixture::catalogue(&stack.pool).await;
    let mut lock = stack.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE temporal_trends IN EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let id = stack.enqueue(JobKind::Trends).await;
    eventually("the statement runs", Duration::from_secs(30), async || {
        (statements(&stack.pool).await == 1).then_some(())
    })
    .await;
    (lock, id)
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_cancelled_jobs_statement_ends_at_the_server_too(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let worker = stack.worker().await;
    let (lock, id) = stuck(&stack).await;
    jobs::cancel(&mut stack.pool.acquire().await.unwrap(), id).await.unwrap();
    stack.until(id, JobStatus::Cancelled).await;
    assert_eq!(statements(&stack.pool).await, 0, "it would go on beside the next attempt");
    drop(lock);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_timed_out_attempts_statement_ends_before_the_next_attempt(pool: PgPool) {
    let stack = Stack::new(&pool).await.with("WORKER_TIMEOUT_SECONDS", "2");
    let worker = stack.worker().await;
    let (lock, id) = stuck(&stack).await;
    stack.until_where(id, "timed out", |job| job.status == JobStatus::Retrying).await;
    assert_eq!(statements(&stack.pool).await, 0);
    drop(lock);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_a_dead_workers_attempt_left_running_is_ended_by_a_dispatcher(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let process = stack.process();
    let (lock, id) = stuck(&stack).await;
    process.kill();
    stack.expire_lease(id).await;
    eventually("the statement is ended", Duration::from_secs(20), async || {
        sweep::end_abandoned(&stack.pool).await.unwrap();
        (statements(&stack.pool).await == 0).then_some(())
    })
    .await;
    drop(lock);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_attempt_without_its_lease_neither_stages_nor_publishes(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    test_support::fixture::catalogue(&stack.pool).await;
    let today = test_support::fixture::today();
    let id = stack.enqueue(JobKind::Trends).await;
    let claim = async || {
        let (_, lease) = lease::claim(&stack.pool, id, "test").await.unwrap().unwrap();
        Attempt::new(&stack.pool, lease, 2, Duration::from_secs(60))
    };
    let sleeper = claim().await;
    let run = artifacts::begin(sleeper.pool(), Artifact::TemporalTrends, id, today).await.unwrap();
    let mut tx = sleeper.begin().await.unwrap();
    let rows = trends::stage_metrics(&mut *tx, run, today).await.unwrap();
    tx.commit().await.unwrap();
    assert!(rows > 0);

    stack.expire_lease(id).await;
    let successor = claim().await;
    let mut tx = sleeper.begin().await.unwrap();
    artifacts::publish(&mut *tx, Artifact::TemporalTrends, run, rows, true).await.unwrap();
    assert!(matches!(tx.commit().await, Err(StorageError::LeaseLost(_))));
    let mut tx = sleeper.begin().await.unwrap();
    trends::stage_sentiment(&mut *tx, run, today).await.unwrap();
    assert!(matches!(tx.commit_progress().await, Err(StorageError::LeaseLost(_))));
    assert_eq!(artifacts::head(&stack.pool, Artifact::TemporalTrends).await.unwrap(), None);

    assert_eq!(stack.job(id).await.crashes, 1);
    successor.begin().await.unwrap().commit_progress().await.unwrap();
    assert_eq!(stack.job(id).await.crashes, 0, "progress since the death");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_smallest_pool_runs_every_job_and_the_speed_layer(pool: PgPool) {
    let stack = Stack::new(&pool)
        .await
        .with("WORKER_CONCURRENCY_COMPUTE", "1")
        .with("WORKER_CONCURRENCY_MAINTENANCE", "1")
        .with("DATABASE_POOL_SIZE", "7");
    let worker = stack.worker().await;
    assert_eq!(stack.run(JobKind::Ingest).await.status, JobStatus::Succeeded);
    let log = test_support::live::log(&stack.prefix, 10_000);
    let facts = test_support::live::facts(500, 100, chrono::Utc::now());
    log.append(&facts).await.unwrap();
    let mut ids = Vec::new();
    // Evaluation and promotion are of the newest version, which the chain among these jobs may be about to train.
    let alone = |kind: &JobKind| !matches!(kind, JobKind::EvaluateModel | JobKind::PromoteModel);
    for kind in JobKind::ALL.into_iter().filter(alone) {
        ids.push((kind, stack.enqueue(kind).await));
    }
    for (kind, id) in ids {
        let job = stack.until_where(id, "ended", |job| job.status.is_final()).await;
        assert_eq!((job.status, job.attempts), (JobStatus::Succeeded, 1), "{kind}: {job:?}");
    }
    eventually("every fact left the log", Duration::from_secs(60), async || {
        (log.backlog().await.unwrap().waiting == 0).then_some(())
    })
    .await;
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_outage_of_the_database_is_no_death_of_the_worker(pool: PgPool) {
    let url = test_support::database_url(&pool);
    let proxy = test_support::proxy::Proxy::before(&url).await;
    let stack = Stack::new(&pool).await.with("DATABASE_URL", proxy.url(&url));
    let worker = stack.worker().await;
    let id = stack.probe(30_000).await;
    stack.until(id, JobStatus::Running).await;
    proxy.cut();
    // The outage itself: longer than a lease.
    tokio::time::sleep(domain::jobs::LEASE + Duration::from_secs(3)).await;
    proxy.mend();
    let job = stack.until(id, JobStatus::Succeeded).await;
    assert_eq!((job.attempts, job.crashes), (1, 0));
    worker.stop().await;
}
