//! Workers that die.

use std::time::{Duration, Instant};

use domain::jobs::{JobKind, JobStatus, MAX_CRASHES};
use sqlx::PgPool;
use storage::postgres::jobs::lease::{self, HeartbeatReply, Progress};

use crate::support::Stack;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_killed_workers_job_is_taken_up_within_a_minute_and_ends_right(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let first = stack.process();
    let id = stack.probe(4_000).await;
    stack.until(id, JobStatus::Running).await;
    // Another replica stands by, as in production.
    let second = stack.process();
    first.kill();
    let killed = Instant::now();
    stack.until_where(id, "was taken up", |job| job.crashes == 1 && job.status == JobStatus::Running).await;
    assert!(killed.elapsed() < Duration::from_secs(60));
    let job = stack.until(id, JobStatus::Succeeded).await;
    assert_eq!((job.attempts, job.crashes), (1, 1), "a death is not an attempt: {job:?}");
    second.kill();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_that_kills_its_worker_three_times_is_parked(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let id = stack.probe(60_000).await;
    for crash in 1..=MAX_CRASHES {
        let worker = stack.process();
        stack.until(id, JobStatus::Running).await;
        worker.kill();
        stack.expire_lease(id).await;
        let sweeper = stack.worker().await;
        let job = stack.until_where(id, "was counted", |job| job.crashes == crash).await;
        if crash < MAX_CRASHES {
            // Taken from the sweeper too, so that the next killer gets it.
            stack.until_where(id, "ran again", |job| job.status == JobStatus::Running).await;
            sweeper.stop().await;
            continue;
        }
        assert_eq!(job.status, JobStatus::Failed);
        assert!(job.error.as_deref().unwrap().contains("parked"), "{job:?}");
        stack.overtaken().await;
        assert_eq!(stack.job(id).await.status, JobStatus::Failed, "a parked job stays parked");
        sweeper.stop().await;
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_worker_that_wakes_up_after_its_lease_is_refused(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let id = stack.probe(0).await;
    let (_, old) = lease::claim(&stack.pool, id, "sleeper").await.unwrap().unwrap();
    assert_eq!(lease::claim(&stack.pool, id, "other").await.unwrap(), None, "a running job cannot be claimed");
    stack.expire_lease(id).await;
    storage::postgres::jobs::sweep::expire_leases(&stack.pool).await.unwrap();
    let (_, new) = lease::claim(&stack.pool, id, "other").await.unwrap().unwrap();
    let progress = Progress::default();
    assert_eq!(lease::heartbeat(&stack.pool, old, &progress).await.unwrap(), HeartbeatReply::LeaseLost);
    lease::succeed(&stack.pool, old, &serde_json::json!("stale"), &progress).await.unwrap();
    assert_eq!(stack.job(id).await.status, JobStatus::Running, "the sleeper's word no longer counts");
    lease::succeed(&stack.pool, new, &serde_json::json!("fresh"), &progress).await.unwrap();
    assert_eq!(stack.job(id).await.result, Some(serde_json::json!("fresh")));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn every_compute_job_survives_the_death_of_its_worker(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    test_support::fixture::catalogue(&stack.pool).await;
    // More movies, so that the death falls into the middle of the work.
    sqlx::query(
        "INSERT INTO movies (movie_id, title, genres, keywords, release_date, popularity, vote_average, vote_count, source)
         SELECT 1000000 + n, 'Movie ' || n, ARRAY['Drama', 'Genre ' || n % 20], ARRAY['word ' || n % 500],
                date '1950-01-01' + n, n % 100, 5, 10, 'demo' FROM generate_series(1, 20000) n",
    )
    .execute(&stack.pool)
    .await
    .unwrap();
    let id = stack.enqueue(JobKind::ComputeAll).await;
    let worker = stack.process();
    stack.until_where(id, "reached similar", |job| job.phase.as_deref().is_some_and(|p| p.contains("scoring"))).await;
    worker.kill();
    stack.expire_lease(id).await;
    let worker = stack.process();
    let job = stack.until(id, JobStatus::Succeeded).await;
    worker.kill();
    assert_eq!(job.crashes, 0, "a step finished since is progress");
    // The steps before the death were published once; the one that died left rows that nobody sees and collect-runs
    // takes away.
    let published: Vec<(String, i64)> =
        sqlx::query_as("SELECT artifact, count(*) FROM artifact_runs WHERE status = 'published' GROUP BY 1 ORDER BY 1")
            .fetch_all(&stack.pool)
            .await
            .unwrap();
    // A finished step was not begun again by the worker that took over, not even one whose run was held back.
    let begun: Vec<(String, i32)> =
        sqlx::query_as("SELECT step, runs FROM job_steps ORDER BY position").fetch_all(&stack.pool).await.unwrap();
    for (step, runs) in begun {
        assert_eq!(runs, if step == "similar" { 2 } else { 1 }, "{step}");
    }
    let held: Vec<i64> =
        sqlx::query_scalar("SELECT count(*) FROM artifact_runs WHERE status = 'held' GROUP BY artifact")
            .fetch_all(&stack.pool)
            .await
            .unwrap();
    assert_eq!(held, [1]);
    // All but collaboration, which had nothing to make rows of: no movie of this stack has two leads.
    assert_eq!(published.iter().map(|(_, runs)| *runs).collect::<Vec<_>>(), [1; 9], "{published:?}");
    let rows: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM movie_recommendations JOIN artifact_heads USING (run_id) WHERE artifact = 'movie_recommendations'",
    )
    .fetch_one(&stack.pool)
    .await
    .unwrap();
    assert_eq!(rows, 20_008);
}
