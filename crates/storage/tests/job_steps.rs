//! Steps of chains: recorded under the lease, found again by a later attempt.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use domain::jobs::JobKind;
use serde_json::{Value, json};
use sqlx::PgPool;
use storage::postgres::jobs::{self, NewJob, lease, steps};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_finished_step_is_never_begun_again_and_only_the_lease_holder_writes(pool: PgPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (job, _) = jobs::enqueue(&mut conn, NewJob::of(JobKind::ComputeAll, "test")).await.unwrap();
    let (_, first) = lease::claim(&pool, job.id, "first").await.unwrap().unwrap();
    assert!(steps::begin(&pool, first, JobKind::Trending, 0).await.unwrap());
    assert!(steps::finish(&pool, first, JobKind::Trending, &json!({ "rows": 7 })).await.unwrap());
    assert!(!steps::begin(&pool, first, JobKind::Trending, 0).await.unwrap(), "it is finished");
    assert!(steps::begin(&pool, first, JobKind::GenreStats, 1).await.unwrap());
    lease::fail(&pool, first, "the disk was full", &lease::Progress::default(), None).await.unwrap();

    assert!(!steps::finish(&pool, first, JobKind::GenreStats, &Value::Null).await.unwrap(), "the lease is gone");
    assert!(!steps::begin(&pool, first, JobKind::Similar, 2).await.unwrap());
    jobs::retry(&mut conn, job.id).await.unwrap();
    let (_, second) = lease::claim(&pool, job.id, "second").await.unwrap().unwrap();
    let finished = steps::finished(&pool, job.id).await.unwrap();
    assert_eq!(finished.into_iter().collect::<Vec<_>>(), [(JobKind::Trending, json!({ "rows": 7 }))]);
    assert!(steps::begin(&pool, second, JobKind::GenreStats, 1).await.unwrap());
    let runs: Vec<(String, i32)> =
        sqlx::query_as("SELECT step, runs FROM job_steps ORDER BY position").fetch_all(&pool).await.unwrap();
    assert_eq!(runs, [("trending".into(), 1), ("genre-stats".into(), 2)]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn steps_go_with_their_job(pool: PgPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (job, _) = jobs::enqueue(&mut conn, NewJob::of(JobKind::ComputeAll, "test")).await.unwrap();
    let (_, held) = lease::claim(&pool, job.id, "worker").await.unwrap().unwrap();
    steps::begin(&pool, held, JobKind::Trending, 0).await.unwrap();
    lease::cancelled(&pool, held).await.unwrap();
    sqlx::query("UPDATE jobs SET finished_at = now() - interval '40 days'").execute(&pool).await.unwrap();
    assert_eq!(jobs::collect(&pool, 30).await.unwrap(), 1);
    assert_eq!(sqlx::query_scalar::<_, i64>("SELECT count(*) FROM job_steps").fetch_one(&pool).await.unwrap(), 0);
}
