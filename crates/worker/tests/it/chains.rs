//! Chains go on at the step that broke, and attempts that end take their threads with them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::jobs::{JobKind, JobStatus};
use sqlx::PgPool;
use storage::postgres::jobs;

use crate::support::Stack;

/// Runs of each step, as the steps themselves left them: one row for each time a compute job began.
async fn runs(pool: &PgPool) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT artifact, count(*) FROM artifact_runs GROUP BY 1").fetch_all(pool).await.unwrap();
    rows.into_iter().collect()
}

/// What the ledger has of the steps: (step, times begun, finished).
async fn steps(pool: &PgPool) -> Vec<(String, i32, bool)> {
    sqlx::query_as("SELECT step, runs, finished_at IS NOT NULL FROM job_steps ORDER BY position")
        .fetch_all(pool)
        .await
        .unwrap()
}

async fn rename(pool: &PgPool, from: &str, to: &str) {
    let sql = format!("ALTER TABLE movie_credits RENAME {from} TO {to}");
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_chain_that_failed_in_the_middle_goes_on_at_the_step_that_broke(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    test_support::fixture::catalogue(&stack.pool).await;
    rename(&pool, "person_id", "somebody").await;
    let worker = stack.worker().await;
    let job = stack.run(JobKind::ComputeAll).await;
    assert_eq!(job.status, JobStatus::Failed, "{job:?}");
    assert!(job.error.as_deref().unwrap().starts_with("actor-collaboration: "), "{job:?}");
    assert!(job.phase.as_deref().unwrap().starts_with("actor-collaboration: "), "{job:?}");
    let names: Vec<&str> = JobKind::compute_steps().into_iter().map(JobKind::as_str).collect();
    let broken = names.iter().position(|name| *name == "actor-collaboration").unwrap();
    let begun: Vec<_> = (0..=broken).map(|at| (names[at].to_owned(), 1, at < broken)).collect();
    assert_eq!(steps(&pool).await, begun);
    let first = runs(&pool).await;

    rename(&pool, "somebody", "person_id").await;
    jobs::retry(&mut pool.acquire().await.unwrap(), job.id).await.unwrap();
    let job = stack.until(job.id, JobStatus::Succeeded).await;
    worker.stop().await;
    let all: Vec<_> =
        (0..names.len()).map(|at| (names[at].to_owned(), if at == broken { 2 } else { 1 }, true)).collect();
    assert_eq!(steps(&pool).await, all);
    // No finished step ran again, not even those that were held back for want of events and reviews.
    let second = runs(&pool).await;
    for (artifact, times) in &first {
        let expected = if artifact == "actor_collaboration" { times + 1 } else { 1 };
        assert_eq!(second[artifact], expected, "{artifact}");
    }
    // No model is active, so there are no lists.
    assert_eq!(second.len(), domain::artifacts::Artifact::ALL.len() - 1);
    let result = job.result.unwrap();
    assert_eq!(result.as_object().unwrap().len(), names.len(), "{result}");
    assert_eq!(result["event-stats"]["outcome"], "publish", "the first attempt's: {result}");
}

/// Makes a catalogue whose predictions take a minute of two cores: no movie can be fitted quickly.
async fn long_work(pool: &PgPool) {
    for sql in [
        "INSERT INTO movies (movie_id, title, genres, keywords, popularity, vote_average, vote_count, source)
         SELECT 1000000 + n, 'Movie ' || n, ARRAY['Drama'], '{}', 5, 5, 10, 'demo' FROM generate_series(1, 4000) n",
        "INSERT INTO movie_metrics_daily (movie_id, day, popularity, vote_average, vote_count)
         SELECT movie_id, current_date - day, 10 + random() * 50, 5, 10
         FROM movies, generate_series(0, 59) AS day WHERE movie_id > 1000000",
    ] {
        sqlx::query(sql).execute(pool).await.unwrap();
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_cancelled_computation_ends_its_thread(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    long_work(&pool).await;
    let process = stack.process();
    let id = stack.enqueue(JobKind::Predictions).await;
    stack
        .until_where(id, "computed", |job| job.phase.as_deref().is_some_and(|phase| phase.contains("back-testing")))
        .await;
    jobs::cancel(&mut pool.acquire().await.unwrap(), id).await.unwrap();
    stack.until(id, JobStatus::Cancelled).await;
    // A process ends when its threads do; this one has no job left that the drain would wait for.
    let told = Instant::now();
    assert!(tokio::task::spawn_blocking(|| process.terminate()).await.unwrap());
    assert!(told.elapsed() < Duration::from_secs(3), "the thread went on for {:?}", told.elapsed());
}
