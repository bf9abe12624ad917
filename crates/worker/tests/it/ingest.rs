//! Ingest: from a TMDB that misbehaves, and from the demo world.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::ingest::IngestMode;
use domain::jobs::{Ingest, JobKind, JobStatus};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use storage::postgres::changes;
use test_support::fixture;
use test_support::tmdb_stub::{Mischief, STUB_KEY, StubMovie, TmdbStub};

use crate::support::Stack;

pub(crate) async fn over(pool: &PgPool, stub: &TmdbStub) -> Stack {
    Stack::new(pool)
        .await
        .with("TMDB_API_KEY", STUB_KEY)
        .with("TMDB_BASE_URL", stub.base_url().to_string())
        .with("TMDB_REQUESTS_PER_SECOND", "500")
}

fn movies(count: i64) -> Vec<StubMovie> {
    (1..=count).map(|n| StubMovie::new(n, &format!("Movie {n}"), &format!("{}-05-05", 1950 + n % 70))).collect()
}

/// Waits until the worker has scored every review.
async fn all_scored(pool: &PgPool) {
    test_support::eventually("every review is scored", std::time::Duration::from_secs(60), async || {
        (storage::postgres::facts::scoring::waiting(pool).await.unwrap() == 0).then_some(())
    })
    .await;
}

/// Every row of the catalogue as text, to compare before and after.
async fn fingerprint(pool: &PgPool) -> Vec<String> {
    all_scored(pool).await;
    sqlx::query_scalar(
        "SELECT to_jsonb(m)::text FROM movies m
         UNION ALL SELECT to_jsonb(c)::text FROM movie_credits c
         UNION ALL SELECT to_jsonb(d)::text FROM movie_metrics_daily d
         UNION ALL SELECT to_jsonb(r)::text FROM ratings r
         UNION ALL SELECT to_jsonb(v)::text FROM reviews v
         UNION ALL SELECT to_jsonb(s)::text FROM movie_search s ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn count(pool: &PgPool, table: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn ingesting_tmdb_twice_changes_nothing(pool: PgPool) {
    let stub = TmdbStub::start(movies(50)).await;
    let stack = over(&pool, &stub).await;
    let worker = stack.worker().await;
    let full = Ingest { mode: Some(IngestMode::Full) };
    let id = stack.enqueue_with(&full).await;
    let job = stack.until(id, JobStatus::Succeeded).await;
    assert_eq!(job.result.as_ref().unwrap()["catalogue"]["movies_added"], 50, "{job:?}");
    for table in ["movie_credits", "people", "reviews", "movie_metrics_daily", "movie_search"] {
        assert!(count(&stack.pool, table).await > 0, "{table}");
    }
    let before = fingerprint(&stack.pool).await;
    let id = stack.enqueue_with(&full).await;
    let again = stack.until(id, JobStatus::Succeeded).await.result.unwrap();
    assert_eq!((&again["catalogue"]["movies_added"], &again["catalogue"]["movies_unchanged"]), (&0.into(), &50.into()));
    assert_eq!(fingerprint(&stack.pool).await, before);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn after_a_full_ingest_only_changes_are_fetched(pool: PgPool) {
    let stub = TmdbStub::start(movies(30)).await;
    let stack = over(&pool, &stub).await;
    let worker = stack.worker().await;
    assert_eq!(stack.run(JobKind::Ingest).await.status, JobStatus::Succeeded);
    let fetched = stub.count("append_to_response");
    stub.put(StubMovie::new(7, "Movie 7, recut", "1957-05-05").changed_on(Utc::now().date_naive()));
    let job = stack.run(JobKind::Ingest).await;
    assert_eq!(job.result.as_ref().unwrap()["catalogue"]["movies_changed"], 1, "{job:?}");
    assert_eq!(stub.count("append_to_response") - fetched, 1, "one request a changed movie");
    let title: String =
        sqlx::query_scalar("SELECT title FROM movies WHERE movie_id = 7").fetch_one(&stack.pool).await.unwrap();
    assert_eq!(title, "Movie 7, recut");
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_killed_ingest_resumes_where_it_stopped(pool: PgPool) {
    let stub = TmdbStub::start(movies(200)).await;
    // The movie of the sixth page hangs, which is where the worker dies.
    stub.misbehave_always("movie/170?", Mischief::Hang(Duration::from_secs(120)));
    let stack = over(&pool, &stub).await;
    let worker = stack.process();
    let id = stack.enqueue(JobKind::Ingest).await;
    stack.until_where(id, "committed three pages", |job| job.done >= 60).await;
    worker.kill();
    let committed = count(&stack.pool, "movies").await;
    assert!((60..200).contains(&committed), "{committed}");
    let fetched_before = stub.count("append_to_response");
    stack.expire_lease(id).await;
    stub.behave();

    let worker = stack.process();
    let job = stack.until(id, JobStatus::Succeeded).await;
    worker.kill();
    assert_eq!((job.attempts, job.crashes), (1, 0), "a page committed since is progress");
    assert_eq!(count(&stack.pool, "movies").await, 200);
    let fetched_after = stub.count("append_to_response") - fetched_before;
    assert_eq!(fetched_after as i64, 200 - committed, "what was committed is not fetched again");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn two_404s_in_a_row_make_a_tombstone_and_its_return_wakes_it(pool: PgPool) {
    let stub = TmdbStub::start(movies(30)).await;
    let stack = over(&pool, &stub).await;
    let worker = stack.worker().await;
    stack.run(JobKind::Ingest).await;
    let state = || async {
        sqlx::query_as::<_, (i16, bool)>(
            "SELECT missing_count, tombstoned_at IS NOT NULL FROM movies WHERE movie_id = 7",
        )
        .fetch_one(&stack.pool)
        .await
        .unwrap()
    };
    let movie = StubMovie::new(7, "Movie 7", "1957-05-05").changed_on(Utc::now().date_naive());
    stub.put(movie.clone());
    stub.misbehave_always("movie/7?", Mischief::Code(404, 34));
    stack.run(JobKind::Ingest).await;
    assert!(!state().await.1, "one 404 may be a hiccup: {:?}", state().await);
    let mut touched = PgListener::connect_with(&stack.pool).await.unwrap();
    touched.listen("movies_touched").await.unwrap();
    let job = stack.run(JobKind::Ingest).await;
    assert_eq!(job.result.as_ref().unwrap()["catalogue"]["tombstoned"], 1, "{job:?}");
    // The scorer of the first ingest's reviews may still be telling of all movies.
    let of_the_tombstone = async { while touched.recv().await.unwrap().payload() != "7" {} };
    let told = tokio::time::timeout(Duration::from_secs(10), of_the_tombstone).await;
    assert!(told.is_ok(), "else it trends until its hours are over");
    assert!(state().await.1);
    let searchable: i64 = sqlx::query_scalar("SELECT count(*) FROM movie_search WHERE movie_id = 7")
        .fetch_one(&stack.pool)
        .await
        .unwrap();
    let history: i64 = sqlx::query_scalar("SELECT count(*) FROM movie_metrics_daily WHERE movie_id = 7")
        .fetch_one(&stack.pool)
        .await
        .unwrap();
    assert_eq!((searchable, history), (0, 1), "gone from search, history kept");
    stack.run(JobKind::Similar).await;
    let recommended: i64 =
        sqlx::query_scalar("SELECT count(*) FROM movie_recommendations WHERE movie_id = 7 OR 7 = ANY(similar_ids)")
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert_eq!(recommended, 0);

    stub.behave();
    stack.run(JobKind::Ingest).await;
    assert_eq!(state().await, (0, false));
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_wrong_key_stops_the_job_at_once_with_a_sentence_that_names_it(pool: PgPool) {
    let stub = TmdbStub::start(movies(3)).await;
    let stack = over(&pool, &stub).await.with("TMDB_API_KEY", "feedfeedfeedfeedfeedfeedfeedfeed");
    let worker = stack.worker().await;
    let job = stack.run(JobKind::Ingest).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Failed, 1));
    let error = job.error.unwrap();
    assert!(error.contains("TMDB_API_KEY") && !error.contains("feedfeed"), "{error}");
    assert_eq!(stub.requests().len(), 1);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_tmdb_gets_wrong_is_set_aside_and_stops_nothing(pool: PgPool) {
    let stub = TmdbStub::start(movies(40)).await;
    stub.misbehave("movie/3?", 1, Mischief::Status(500));
    stub.misbehave("movie/4?", 1, Mischief::TooMany(Some("1".into())));
    stub.misbehave_always("movie/5?", Mischief::Body(r#"{"id": 5, "title": null}"#.into()));
    stub.misbehave("discover", 1, Mischief::Truncated);
    let stack = over(&pool, &stub).await;
    let worker = stack.worker().await;
    let job = stack.run(JobKind::Ingest).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");
    let result = job.result.unwrap();
    assert_eq!(result["catalogue"]["movies_added"], 39, "{result}");
    assert_eq!(result["catalogue"]["quarantined"], 1, "{result}");
    let (field, record): (Option<String>, String) =
        sqlx::query_as("SELECT field, record FROM quarantine WHERE source = 'tmdb'")
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert!(field.as_deref() == Some("title") && record.contains("null"), "{field:?} {record}");
    worker.stop().await;
}

/// Pretends that the wait for the next try is over.
async fn wait_is_over(pool: &PgPool) {
    sqlx::query("UPDATE quarantine SET next_try_at = now() WHERE next_try_at IS NOT NULL").execute(pool).await.unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_quarantined_movie_is_fetched_again_by_later_ingests_with_growing_waits(pool: PgPool) {
    let stub = TmdbStub::start(movies(9)).await;
    stub.misbehave_always("movie/5?", Mischief::Body(r#"{"id": 5, "title": null}"#.into()));
    let stack = over(&pool, &stub).await;
    let worker = stack.worker().await;
    stack.run(JobKind::Ingest).await;
    let state = async || -> Vec<(i64, i32, i64)> {
        sqlx::query_as(
            "SELECT movie_id, tries, round(extract(epoch FROM next_try_at - now()) / 3600)::bigint FROM quarantine",
        )
        .fetch_all(&stack.pool)
        .await
        .unwrap()
    };
    assert_eq!(state().await, [(5, 1, 12)]);
    let asked = stub.count("movie/5?");
    stack.run(JobKind::Ingest).await;
    assert_eq!(stub.count("movie/5?"), asked, "not before its time");

    wait_is_over(&stack.pool).await;
    stack.run(JobKind::Ingest).await;
    assert_eq!((stub.count("movie/5?"), state().await), (asked + 1, vec![(5, 2, 24)]));
    wait_is_over(&stack.pool).await;
    stub.behave();
    stub.misbehave_always("movie/5?", Mischief::Code(404, 34));
    stack.run(JobKind::Ingest).await;
    assert_eq!(state().await, [(5, 3, 48)], "a 404 may be an error of theirs");

    wait_is_over(&stack.pool).await;
    stub.behave();
    stack.run(JobKind::Ingest).await;
    worker.stop().await;
    assert_eq!((state().await, count(&stack.pool, "movies").await), (vec![], 9));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_full_ingest_finds_movies_without_a_release_date_too(pool: PgPool) {
    let stub = TmdbStub::start(movies(3)).await;
    for id in [10, 11, 12] {
        stub.put(StubMovie::new(id, "Undated", ""));
    }
    stub.put(StubMovie::new(13, "Adult", "").with("adult", true.into()));
    let stack = over(&pool, &stub).await;
    let worker = stack.worker().await;
    // Without the export the ingest succeeds, says what is missing, and the next one makes up for it.
    stub.misbehave_always("exports/", Mischief::Status(404));
    let job = stack.enqueue_with(&Ingest { mode: Some(IngestMode::Full) }).await;
    let result = stack.until(job, JobStatus::Succeeded).await.result.unwrap();
    assert_eq!((&result["catalogue"]["movies_added"], &result["catalogue"]["quarantined"]), (&3.into(), &1.into()));
    stub.behave();
    let result = stack.run(JobKind::Ingest).await.result.unwrap();
    worker.stop().await;
    assert_eq!(result["catalogue"]["movies_added"], 3, "{result}");
    let found: Vec<i64> = sqlx::query_scalar("SELECT movie_id FROM movies WHERE release_date IS NULL ORDER BY 1")
        .fetch_all(&stack.pool)
        .await
        .unwrap();
    assert_eq!(found, [10, 11, 12]);
    assert_eq!((stub.count("movie/1?"), stub.count("movie/13?")), (1, 0), "only what the catalogue lacks");
    let cursor: serde_json::Value = sqlx::query_scalar("SELECT cursor FROM source_cursors WHERE source = 'tmdb'")
        .fetch_one(&stack.pool)
        .await
        .unwrap();
    assert_eq!(cursor["unlisted_after"], serde_json::Value::Null, "{cursor}");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_a_key_ingest_keeps_the_demo_world(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let worker = stack.worker().await;
    let first = stack.run(JobKind::Ingest).await;
    assert_eq!(first.status, JobStatus::Succeeded, "{first:?}");
    assert_eq!(first.result.unwrap()["source"], "demo");
    let (movies, newest): (i64, chrono::NaiveDate) =
        sqlx::query_as("SELECT (SELECT count(*) FROM movies), (SELECT max(day) FROM movie_metrics_daily)")
            .fetch_one(&stack.pool)
            .await
            .unwrap();
    assert!(movies >= 380, "{movies}");
    assert!(Utc::now().date_naive() - newest <= TimeDelta::days(1));
    let before = fingerprint(&stack.pool).await;
    stack.run(JobKind::Ingest).await;
    // Without `assert_eq`, which would print the whole world.
    assert!(fingerprint(&stack.pool).await == before, "the second ingest changed the demo world");
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_a_key_somebodys_own_movies_stay_as_they_are(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let worker = stack.worker().await;
    fixture::catalogue(&stack.pool).await;
    sqlx::query("UPDATE movies SET source = 'tmdb'").execute(&stack.pool).await.unwrap();
    let before = fingerprint(&stack.pool).await;
    let job = stack.run(JobKind::Ingest).await;
    let result = job.result.unwrap();
    assert_eq!(job.status, JobStatus::Succeeded);
    assert!(result["note"].as_str().unwrap().contains("demo world was not loaded"), "{result}");
    assert_eq!(fingerprint(&stack.pool).await, before);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_ingest_that_fails_after_its_first_page_makes_what_was_cached_stale(pool: PgPool) {
    let stub = TmdbStub::start(movies(50)).await;
    // The key is withdrawn in the middle.
    stub.misbehave_always("movie/45?", Mischief::Code(401, 7));
    let stack = over(&pool, &stub).await;
    let worker = stack.worker().await;
    let sum = |all: Vec<(_, i64)>| all.into_iter().map(|(_, generation)| generation).sum::<i64>();
    let before = sum(changes::generations(&stack.pool).await.unwrap());
    let job = stack.run(JobKind::Ingest).await;
    assert_eq!(job.status, JobStatus::Failed, "{job:?}");
    assert!(count(&stack.pool, "movies").await > 0, "a page was committed");
    assert_eq!(
        sum(changes::generations(&stack.pool).await.unwrap()),
        before + 5,
        "movies, search, trending and all that shows their titles or numbers"
    );
    worker.stop().await;
}
