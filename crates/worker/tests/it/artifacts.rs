//! Compute jobs: right, repeatable, atomic, held back, collected.

use domain::artifacts::Artifact;
use domain::jobs::{JobKind, JobStatus, RatingsByDecade};
use sqlx::PgPool;
use storage::postgres::artifacts;

use crate::support::Stack;

/// An artifact's published rows as text, without the run id.
pub(crate) async fn rows(pool: &PgPool, artifact: Artifact) -> Vec<String> {
    let table = artifact.as_str();
    let sql = format!(
        "SELECT (to_jsonb(t) - 'run_id')::text FROM {table} t JOIN artifact_heads h USING (run_id)
         WHERE h.artifact = '{table}' ORDER BY 1"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn every_compute_job_run_twice_publishes_the_same_rows_under_a_new_run(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    test_support::fixture::catalogue(&stack.pool).await;
    let worker = stack.worker().await;
    for kind in [JobKind::Trending, JobKind::GenreStats, JobKind::RatingsByDecade, JobKind::Similar] {
        let artifact = kind.artifact().unwrap();
        assert_eq!(artifacts::head(&stack.pool, artifact).await.unwrap(), None);
        let job = stack.run(kind).await;
        assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");
        let first = artifacts::head(&stack.pool, artifact).await.unwrap().unwrap();
        let published = rows(&stack.pool, artifact).await;
        assert_eq!(published.len() as i64, first.row_count);
        assert!(!published.is_empty());

        stack.run(kind).await;
        let second = artifacts::head(&stack.pool, artifact).await.unwrap().unwrap();
        assert_ne!(first.run_id, second.run_id);
        assert_eq!(rows(&stack.pool, artifact).await, published, "{kind}");
    }
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_artifacts_say_what_the_catalogue_says(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    test_support::fixture::catalogue(&stack.pool).await;
    let worker = stack.worker().await;
    let job = stack.run(JobKind::ComputeAll).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");

    // Fight Club gains 4 popularity a day; over the six days of the window's seven snapshots that is 24 in 144 hours.
    let (popularity, velocity, votes): (f64, f64, f64) = sqlx::query_as(
        "SELECT popularity, popularity_velocity, vote_velocity FROM movie_trending_daily WHERE movie_id = 550",
    )
    .fetch_one(&stack.pool)
    .await
    .unwrap();
    assert_eq!(popularity, 70.0);
    assert!((velocity - 24.0 / 144.0).abs() < 1e-9 && (votes - 60.0 / 144.0).abs() < 1e-9, "{velocity} {votes}");

    let drama: (i64, f64, i64) =
        sqlx::query_as("SELECT movie_count, avg_rating, total_revenue FROM genre_stats_daily WHERE genre = 'Drama'")
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert_eq!(drama.0, 4);
    assert!((drama.1 - (8.7 + 8.4 + 8.6 + 8.2) / 4.0).abs() < 1e-9, "{drama:?}");
    assert_eq!(drama.2, 245_066_411);

    let seventies: (i64, f64) =
        sqlx::query_as("SELECT movie_count, avg_rating FROM ratings_by_decade WHERE decade = 1970")
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert_eq!(seventies.0, 2);
    assert!((seventies.1 - 8.65).abs() < 1e-9);

    let like_the_godfather: Vec<i64> =
        sqlx::query_scalar("SELECT similar_ids FROM movie_recommendations WHERE movie_id = 238")
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert_eq!(like_the_godfather[0], 240, "same director, lead, genres and era: {like_the_godfather:?}");
    assert!(!like_the_godfather.contains(&238), "never the title itself");
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_run_that_halves_an_artifact_is_held_back_unless_forced(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    test_support::fixture::small(&stack.pool).await;
    let worker = stack.worker().await;
    let head = || async { artifacts::head(&stack.pool, Artifact::RatingsByDecade).await.unwrap().unwrap() };
    let before = head().await;
    sqlx::query(
        "UPDATE movies SET tombstoned_at = now() WHERE release_date < '1999-01-01' OR release_date > '1999-12-31'",
    )
    .execute(&stack.pool)
    .await
    .unwrap();
    let job = stack.run(JobKind::RatingsByDecade).await;
    let result = job.result.unwrap();
    assert_eq!((job.status, result["outcome"].as_str()), (JobStatus::Succeeded, Some("hold_back")), "{result}");
    assert!(result["reason"].as_str().unwrap().contains("less than half"), "{result}");
    assert_eq!(head().await, before, "readers still see the run before");

    let id = stack.enqueue_with(&RatingsByDecade { force: true }).await;
    stack.until(id, JobStatus::Succeeded).await;
    assert_eq!(head().await.row_count, 1);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn seven_runs_are_kept_and_the_head_is_never_collected(pool: PgPool) {
    let stack = Stack::new(&pool).await.with("ARTIFACT_RUNS_KEPT", "7");
    test_support::fixture::catalogue(&stack.pool).await;
    let worker = stack.worker().await;
    for _ in 0..9 {
        assert_eq!(stack.run(JobKind::GenreStats).await.status, JobStatus::Succeeded);
    }
    // What a killed attempt leaves: a staged run whose job is over.
    let dead = stack.run(JobKind::Probe).await.id;
    artifacts::begin(&stack.pool, Artifact::GenreStatsDaily, dead, test_support::fixture::today()).await.unwrap();
    let head = artifacts::head(&stack.pool, Artifact::GenreStatsDaily).await.unwrap().unwrap();

    let first = stack.run(JobKind::CollectRuns).await.result.unwrap();
    assert_eq!(first["runs_deleted"], 3, "{first}");
    let second = stack.run(JobKind::CollectRuns).await.result.unwrap();
    assert_eq!(second["runs_deleted"], 0, "collecting twice deletes once: {second}");
    let runs: i64 = sqlx::query_scalar("SELECT count(*) FROM artifact_runs").fetch_one(&stack.pool).await.unwrap();
    let staged: i64 = sqlx::query_scalar("SELECT count(DISTINCT run_id) FROM genre_stats_daily")
        .fetch_one(&stack.pool)
        .await
        .unwrap();
    assert_eq!((runs, staged), (7, 7));
    assert_eq!(artifacts::head(&stack.pool, Artifact::GenreStatsDaily).await.unwrap(), Some(head));
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_slow_old_run_does_not_undo_a_newer_one(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    test_support::fixture::catalogue(&stack.pool).await;
    let job = stack.enqueue(JobKind::Probe).await;
    let begin = || artifacts::begin(&stack.pool, Artifact::RatingsByDecade, job, test_support::fixture::today());
    let (old, new) = (begin().await.unwrap(), begin().await.unwrap());
    artifacts::publish(&stack.pool, Artifact::RatingsByDecade, new, 5, false).await.unwrap();
    let verdict = artifacts::publish(&stack.pool, Artifact::RatingsByDecade, old, 5, false).await.unwrap();
    assert!(matches!(verdict, domain::artifacts::PublishDecision::HoldBack { .. }), "{verdict:?}");
    let head = artifacts::head(&stack.pool, Artifact::RatingsByDecade).await.unwrap().unwrap();
    assert_eq!(head.run_id, new);
}
