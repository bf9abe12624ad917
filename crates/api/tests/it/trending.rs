use chrono::{NaiveDate, TimeDelta};
use domain::artifacts::Artifact;
use domain::jobs::JobKind;
use domain::trending::Trend;
use insta::assert_json_snapshot;
use sqlx::PgPool;
use storage::postgres::batch::trending;
use storage::postgres::jobs::NewJob;
use storage::postgres::{artifacts, jobs};
use test_support::fixture::{self, movie_id, today};

use crate::app::{TestApp, settings, titles};

/// Publishes a ranking of that day with these movies.
pub async fn publish(pool: &PgPool, as_of: NaiveDate, movies: &[i64]) {
    let job = jobs::enqueue(&mut pool.acquire().await.unwrap(), NewJob::of(JobKind::Trending, "test")).await.unwrap().0;
    let run = artifacts::begin(pool, Artifact::MovieTrendingDaily, job.id, as_of).await.unwrap();
    let trends: Vec<Trend> = movies
        .iter()
        .map(|id| Trend {
            movie_id: movie_id(*id),
            score: 1.0,
            popularity_velocity: 0.0,
            rating_velocity: 0.0,
            vote_velocity: 0.0,
            popularity: 1.0,
            vote_average: 5.0,
            vote_count: 10,
        })
        .collect();
    trending::stage(pool, run, 1, &trends).await.unwrap();
    artifacts::publish(pool, Artifact::MovieTrendingDaily, run, trends.len() as u64, true).await.unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_ranking_has_the_seeds_fields(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    assert_json_snapshot!(app.get("/api/v1/movies/trending?limit=3").await.ok(), { ".run_id" => "[run]" });
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_genre_keeps_the_overall_ranks(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let body = app.get("/movies/trending?genre=romance").await.ok();
    assert_eq!(titles(&body), ["Amélie", "Casablanca"]);
    let ranks: Vec<i64> = body["items"].as_array().unwrap().iter().map(|i| i["rank"].as_i64().unwrap()).collect();
    assert!(ranks[0] > 1 && ranks[0] < ranks[1], "{ranks:?}");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_date_answers_from_the_run_of_that_day(pool: PgPool) {
    fixture::small(&pool).await;
    let tomorrow = today() + TimeDelta::days(1);
    publish(&pool, tomorrow, &[289]).await;
    let app = TestApp::run(settings(&pool)).await;
    assert_eq!(titles(&app.get("/api/v1/trending/daily").await.ok()), ["Casablanca"]);
    assert_eq!(titles(&app.get(&format!("/api/v1/trending/daily?date={tomorrow}")).await.ok()), ["Casablanca"]);
    let before = app.get(&format!("/api/v1/trending/daily?date={}", today())).await.ok();
    assert_eq!((before["total"].as_i64(), before["as_of"].as_str()), (Some(8), Some("2026-03-10")));
    let none = app.get("/api/v1/trending/daily?date=1999-12-31").await;
    assert_eq!(none.problem(), (404, "not_found".into(), "date".into()));
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn before_the_first_run_the_answer_says_which_post_computes_it(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let app = TestApp::run(settings(&pool)).await;
    let answer = app.get("/movies/trending").await;
    assert_eq!(answer.header("retry-after"), "30");
    assert_eq!(answer.problem().1, "not_computed");
    assert_json_snapshot!(answer.json(), { ".request_id" => "[id]" });
    for path in ["/analytics/top-genres", "/analytics/ratings-by-decade", "/movies/550/similar"] {
        assert_eq!(app.get(path).await.problem().1, "not_computed", "{path}");
    }
    app.stop().await;
}
