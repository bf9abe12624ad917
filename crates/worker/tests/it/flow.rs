//! Jobs flow: enqueued, run, cancelled, retried, drained, many at once, forgotten by Redis.

use std::time::Duration;

use domain::ingest::Source;
use domain::jobs::{JobKind, JobStatus, Probe, Queue};
use sqlx::PgPool;
use storage::postgres::catalogue::{SourceLease, Taken};
use storage::postgres::jobs::sweep::MAX_IN_REDIS;
use storage::postgres::jobs::{self, Job, NewJob};
use storage::queue::JobQueue;

use test_support::eventually;

use crate::support::Stack;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_runs_and_reports_its_progress_and_result(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let worker = stack.worker().await;
    let id = stack.probe(3_000).await;
    let running = stack.until_where(id, "made progress", |job| job.done > 0).await;
    assert_eq!(
        (running.status, running.total, running.phase.as_deref()),
        (JobStatus::Running, Some(3_000), Some("holding"))
    );
    assert!(running.eta_seconds(chrono::Utc::now()).is_some_and(|eta| eta <= 5), "{running:?}");
    let job = stack.until(id, JobStatus::Succeeded).await;
    assert_eq!(job.result, Some(serde_json::json!({ "held_ms": 3_000 })));
    assert_eq!((job.attempts, job.crashes, job.done), (1, 0, 3_000));
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_key_makes_one_job_of_two_requests(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let mut conn = stack.pool.acquire().await.unwrap();
    let new = NewJob { idempotency_key: Some("tick".into()), ..NewJob::of(JobKind::Probe, "test") };
    let (first, created) = jobs::enqueue(&mut conn, new.clone()).await.unwrap();
    let (second, again) = jobs::enqueue(&mut conn, new).await.unwrap();
    assert_eq!((created, again, first.id), (true, false, second.id));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_permanent_error_is_not_retried(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let worker = stack.worker().await;
    // Trending over an empty catalogue: another attempt would find it as empty.
    let job = stack.run(JobKind::Trending).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Failed, 1));
    assert!(job.error.as_deref().unwrap().contains("run ingest first"), "{job:?}");
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_ingest_waits_for_another_one_without_spending_attempts(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let worker = stack.worker().await;
    let Taken::Lease(lease) = SourceLease::take(&stack.pool, Source::Demo, "the other one").await.unwrap() else {
        panic!("nobody else has it");
    };
    let id = stack.enqueue(JobKind::Ingest).await;
    let waits = |job: &Job| job.phase.as_deref().is_some_and(|phase| phase.contains("(the other one)"));
    let first = stack.until_where(id, "waits", |job| job.status == JobStatus::Queued && waits(job)).await;
    assert_eq!((first.attempts, first.error), (0, None));
    let again = stack
        .until_where(id, "asked again", |job| {
            job.status == JobStatus::Queued && waits(job) && job.started_at > first.started_at
        })
        .await;
    assert_eq!(again.attempts, 0, "{again:?}");
    lease.release().await;
    let job = stack.until(id, JobStatus::Succeeded).await;
    assert_eq!((job.attempts, job.crashes), (1, 0));
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_attempt_that_takes_too_long_ends_and_is_tried_again(pool: PgPool) {
    let stack = Stack::new(&pool).await.with("WORKER_TIMEOUT_SECONDS", "1");
    let worker = stack.worker().await;
    let id = stack.probe(60_000).await;
    let job =
        stack.until_where(id, "timed out twice", |job| job.attempts == 2 && job.status == JobStatus::Retrying).await;
    assert_eq!(job.error.as_deref(), Some("the attempt took longer than 1 s"));
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_waiting_job_is_cancelled_at_once_and_a_running_one_soon(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let waiting = stack.probe(60_000).await;
    let mut conn = stack.pool.acquire().await.unwrap();
    let job = jobs::cancel(&mut conn, waiting).await.unwrap().unwrap();
    assert_eq!(job.status, JobStatus::Cancelled);

    let worker = stack.worker().await;
    let running = stack.probe(60_000).await;
    stack.until(running, JobStatus::Running).await;
    jobs::cancel(&mut conn, running).await.unwrap();
    let job = stack.until(running, JobStatus::Cancelled).await;
    assert!(job.finished_at.is_some());
    // Not taken up by anybody later.
    stack.overtaken().await;
    assert_eq!(stack.job(waiting).await.attempts, 0);

    let again = jobs::retry(&mut conn, waiting).await.unwrap().unwrap();
    assert_eq!(again.status, JobStatus::Queued);
    stack.until(waiting, JobStatus::Running).await;
    jobs::cancel(&mut conn, waiting).await.unwrap();
    stack.until(waiting, JobStatus::Cancelled).await;
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn sigterm_lets_a_short_job_end_and_puts_a_long_one_back(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let process = stack.process();
    let (short, long) = (stack.probe(2_000).await, stack.probe(120_000).await);
    stack.until(short, JobStatus::Running).await;
    stack.until(long, JobStatus::Running).await;
    assert!(tokio::task::spawn_blocking(|| process.terminate()).await.unwrap(), "a stop on request is a success");
    assert_eq!(stack.job(short).await.status, JobStatus::Succeeded);
    let long = stack.job(long).await;
    assert_eq!((long.status, long.attempts, long.crashes), (JobStatus::Queued, 0, 0), "{long:?}");
}

/// Twice what Redis may hold. The 20,000 that once broke apalis are in the storage crate's tests, without workers.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn more_jobs_than_redis_may_hold_all_run_once_and_redis_never_holds_more(pool: PgPool) {
    const JOBS: i64 = 2 * MAX_IN_REDIS;
    let stack = Stack::new(&pool).await.with("WORKER_CONCURRENCY_MAINTENANCE", "32").with("DATABASE_POOL_SIZE", "48");
    jobs::enqueue_many(&stack.pool, &NewJob::of(JobKind::Probe, "test"), JOBS as usize).await.unwrap();
    let queue = JobQueue::connect(&test_support::redis_url(), &stack.prefix).await.unwrap();
    let worker = stack.worker().await;
    let mut most = 0;
    test_support::eventually("every job ran at its first attempt", Duration::from_secs(120), async || {
        let in_redis = queue.waiting(Queue::Maintenance).await.unwrap();
        assert!(in_redis <= MAX_IN_REDIS, "{in_redis} ids in Redis");
        most = most.max(in_redis);
        let done: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs WHERE status = 'succeeded' AND attempts = 1")
            .fetch_one(&stack.pool)
            .await
            .unwrap();
        (done == JOBS).then_some(())
    })
    .await;
    assert!(most > MAX_IN_REDIS / 2, "only {most} ids were in Redis at a time, so the bound was not tested");
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_redis_forgets_the_ledger_sends_again(pool: PgPool) {
    let stack = Stack::new(&pool).await.with("WORKER_CONCURRENCY_MAINTENANCE", "1");
    let worker = stack.worker().await;
    let hold = NewJob::with(&Probe { hold_ms: Some(300) }, "test").unwrap();
    let ids = jobs::enqueue_many(&stack.pool, &hold, 20).await.unwrap();
    stack.until_where(ids[2], "ended", |job| job.status.is_final()).await;
    assert!(stack.empty_redis().await > 0, "nothing was in Redis, so nothing was tested");
    for id in &ids {
        stack.until_where(*id, "ended", |job| job.status.is_final()).await;
        assert_eq!(stack.job(*id).await.status, JobStatus::Succeeded);
    }
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_worker_answers_whether_it_lives_and_is_ready(pool: PgPool) {
    // Free now; the worker takes it a moment later.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let stack = Stack::new(&pool).await.with("WORKER_METRICS_PORT", port.to_string());
    let process = stack.process();
    eventually("the worker is ready", Duration::from_secs(30), async || {
        get(port, "/health/ready").await.filter(|status| status == "200")
    })
    .await;
    assert_eq!(get(port, "/health/live").await.as_deref(), Some("200"));
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 9").execute(&pool).await.unwrap();
    assert_eq!(get(port, "/health/ready").await.as_deref(), Some("503"), "its schema is not this program's");
    assert_eq!(get(port, "/health/live").await.as_deref(), Some("200"));
    process.kill();
}

/// The status that a GET is answered with; `None` while nobody listens.
async fn get(port: u16, path: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer.split(' ').nth(1)?.to_owned())
}
