//! The hourly refresh: what the source says of popular movies becomes observations.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::events::Observation;
use domain::ingest::IngestMode;
use domain::jobs::{Ingest, JobKind, JobStatus};
use serde_json::json;
use sqlx::PgPool;
use storage::postgres::speed;
use test_support::fixture::{self, movie_id};
use test_support::tmdb_stub::{Mischief, StubMovie, TmdbStub};

use crate::ingest::over;
use crate::support::Stack;

/// Movies 1 to `count`, the first the most popular.
fn movies(count: i64) -> Vec<StubMovie> {
    (1..=count).map(|n| StubMovie::new(n, "A movie", "1999-10-15").with("popularity", json!(1_000 - n))).collect()
}

/// How a movie was last seen: when, its popularity, its votes.
async fn latest(stack: &Stack, movie: i64) -> Option<(DateTime<Utc>, f64, i64)> {
    let seen = speed::latest(&stack.pool, &[movie_id(movie)]).await.unwrap();
    seen.first().map(|o| (o.observed_at, o.popularity, o.vote_count))
}

async fn rows(stack: &Stack, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&stack.pool).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn popular_movies_are_observed_and_the_newest_observation_wins(pool: PgPool) {
    let stub = TmdbStub::start(movies(50)).await;
    let stack = over(&pool, &stub).await.with("REFRESH_POPULAR_MOVIES", "30");
    let worker = stack.worker().await;
    stack.run(JobKind::Ingest).await;
    assert_eq!(rows(&stack, "speed_latest").await, 0, "an ingest makes no movie active");

    // A stranger that the catalogue does not have yet, and an entry without numbers.
    stub.put(StubMovie::new(900, "New", "2026-01-01").with("popularity", json!(5_000)));
    stub.put(
        StubMovie::new(902, "Odder", "2026-01-01").with("popularity", json!(4_000)).with("vote_count", json!(null)),
    );
    stub.put(
        StubMovie::new(2, "A movie", "1999-10-15").with("popularity", json!(998.5)).with("vote_count", json!(400)),
    );
    stub.misbehave("movie/popular", 1, Mischief::Status(503));
    let before = Utc::now();
    let job = stack.run(JobKind::RefreshPopular).await;
    assert_eq!((job.status, job.done, job.total), (JobStatus::Succeeded, 30, Some(30)), "{job:?}");
    assert_eq!(job.result.unwrap(), json!({"source": "tmdb", "observed": 29, "quarantined": 1}));
    assert_eq!((rows(&stack, "speed_latest").await, rows(&stack, "speed_observations").await), (28, 28));
    let (seen_at, popularity, votes) = latest(&stack, 2).await.unwrap();
    assert!(seen_at >= before && (popularity, votes) == (998.5, 400));
    assert!(latest(&stack, 29).await.is_none(), "the thirty most popular, strangers included");

    // Twice is harmless, and an older word does not replace a newer.
    let again = stack.run(JobKind::RefreshPopular).await;
    assert_eq!(again.status, JobStatus::Succeeded);
    assert_eq!(rows(&stack, "speed_latest").await, 28);
    let (newest, ..) = latest(&stack, 2).await.unwrap();
    let older = Observation {
        movie_id: movie_id(2),
        observed_at: newest - TimeDelta::milliseconds(1),
        popularity: 1.0,
        vote_average: 1.0,
        vote_count: 1,
    };
    let mut tx = stack.pool.begin().await.unwrap();
    speed::record(&mut tx, &[older]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(latest(&stack, 2).await.unwrap(), (newest, 998.5, 400));

    // The night's ingest is newer than the last refresh, also for a movie that is no longer popular.
    stub.put(StubMovie::new(2, "A movie", "1999-10-15").with("popularity", json!(3.5)));
    let id = stack.enqueue_with(&Ingest { mode: Some(IngestMode::Full) }).await;
    stack.until(id, JobStatus::Succeeded).await;
    let (at, popularity, _) = latest(&stack, 2).await.unwrap();
    assert!(at > newest && popularity == 3.5);
    assert!(latest(&stack, 50).await.is_none());
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_killed_refresh_goes_on_behind_its_last_page_and_the_next_one_begins_anew(pool: PgPool) {
    let stub = TmdbStub::start(movies(100)).await;
    let stack = over(&pool, &stub).await.with("REFRESH_POPULAR_MOVIES", "100");
    let worker = stack.process();
    stack.run(JobKind::Ingest).await;
    stub.misbehave_always("movie/popular?page=4", Mischief::Hang(Duration::from_secs(120)));
    let id = stack.enqueue(JobKind::RefreshPopular).await;
    stack.until_where(id, "committed three pages", |job| job.done >= 60).await;
    worker.kill();
    assert_eq!(rows(&stack, "speed_latest").await, 60);
    stack.expire_lease(id).await;
    stub.behave();
    let worker = stack.process();
    stack.until(id, JobStatus::Succeeded).await;
    assert_eq!((rows(&stack, "speed_latest").await, stub.count("popular?page=3")), (100, 1));
    stack.run(JobKind::RefreshPopular).await;
    assert_eq!(stub.count("popular?page=3"), 2);
    worker.kill();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_a_key_the_demo_world_lives(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let worker = stack.worker().await;
    stack.run(JobKind::Ingest).await;
    let job = stack.run(JobKind::RefreshPopular).await;
    assert_eq!(job.result.as_ref().unwrap()["source"], "demo", "{job:?}");
    assert_eq!((job.done, Some(job.done)), (500, job.total), "fewer movies than asked for are all there are: {job:?}");
    assert_eq!(job.result.unwrap()["observed"], rows(&stack, "movies").await);
    let moved: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM speed_latest l
         JOIN movie_metrics_daily d ON d.movie_id = l.movie_id AND d.day = (l.observed_at AT TIME ZONE 'UTC')::date
         WHERE abs(l.popularity / d.popularity - 1) BETWEEN 0.0001 AND 2",
    )
    .fetch_one(&stack.pool)
    .await
    .unwrap();
    assert!(moved > 200, "{moved}");
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn made_up_numbers_reach_no_real_movie(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let worker = stack.worker().await;
    // Movies of the demo world's ids that somebody else brought.
    fixture::catalogue(&stack.pool).await;
    sqlx::query("UPDATE movies SET source = 'tmdb'").execute(&stack.pool).await.unwrap();
    let job = stack.run(JobKind::RefreshPopular).await;
    let result = job.result.unwrap();
    assert_eq!((job.status, &result["observed"]), (JobStatus::Succeeded, &json!(0)), "{result}");
    assert!(result["note"].as_str().unwrap().contains("no demo world"), "{result}");
    assert_eq!(rows(&stack, "speed_latest").await, 0);

    // A demo world beside which a movie was fetched from elsewhere.
    sqlx::query("TRUNCATE movies CASCADE").execute(&stack.pool).await.unwrap();
    stack.run(JobKind::Ingest).await;
    sqlx::query("UPDATE movies SET source = 'tmdb' WHERE movie_id = 238").execute(&stack.pool).await.unwrap();
    let job = stack.run(JobKind::RefreshPopular).await;
    assert_eq!(job.result.unwrap()["observed"], rows(&stack, "movies").await - 1);
    assert!(latest(&stack, 238).await.is_none() && latest(&stack, 240).await.is_some());
    worker.stop().await;
}
