//! Sentiment, merged from both layers. The clock is the machine's, so reviews are placed relative to it.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use domain::hours::Hour;
use insta::assert_json_snapshot;
use serde_json::json;
use sqlx::PgPool;
use storage::postgres::speed::MicroBatch;
use test_support::{batch, fixture, live};

use crate::app::{TestApp, settings};

async fn write(pool: &PgPool, reviews: &[(&str, DateTime<Utc>)]) {
    let reviews = reviews.iter().map(|(text, at)| live::review(550, text, *at)).collect();
    live::apply(pool, &MicroBatch { events: Vec::new(), reviews }).await.unwrap();
}

const GOOD: &str = "A wonderful film, I loved it.";
const BAD: &str = "Terrible. I hated it.";

/// Seed 1, section 3.1: `GET /api/v1/movies/{movie_id}/sentiment?window=7d`.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn sentiment_has_the_seeds_body(pool: PgPool) {
    fixture::small(&pool).await;
    let now = Utc::now();
    // Noons, so that no review changes its day with the time of the test.
    let noon = |days: i64| {
        (now.date_naive() - TimeDelta::days(days)).and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(12)
    };
    write(&pool, &[(GOOD, noon(20)), (GOOD, noon(5)), (GOOD, noon(5)), (BAD, noon(4)), (GOOD, noon(4))]).await;
    batch::events(&pool, now).await;
    // One after the run, one that comes late for an hour which the run covers.
    write(&pool, &[(GOOD, now), (BAD, noon(5))]).await;
    let app = TestApp::run(settings(&pool)).await;
    let body = app.get("/api/v1/movies/550/sentiment?explain=true").await.ok();
    assert_json_snapshot!(body, {
        ".breakdown[].date" => "[day]",
        ".data_sources.batch" => "[time]",
        ".data_sources.speed" => "[time]",
        ".provenance.run_id" => "[run]",
        ".provenance.watermark" => "[time]",
        ".provenance.cutoff" => "[time]",
        ".provenance.spans[].first_hour" => "[time]",
        ".provenance.spans[].last_hour" => "[time]",
    });
    let days: Vec<_> = body["breakdown"].as_array().unwrap().iter().map(|span| span["date"].clone()).collect();
    assert_eq!(days, [now, noon(4), noon(5)].map(|at| json!(at.date_naive())));
    let all = app.get("/api/v1/movies/550/sentiment?window=all").await.ok();
    assert_eq!((&all["sentiment"]["total_reviews"], &all["provenance"]), (&json!(7), &json!(null)));
    let hour = app.get("/api/v1/movies/550/sentiment?window=6").await.ok();
    assert_eq!(hour["breakdown"][0]["date"], Hour::of(now).to_string());
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_a_batch_run_the_speed_layer_answers_and_says_so(pool: PgPool) {
    fixture::catalogue(&pool).await;
    write(&pool, &[(GOOD, Utc::now()), (GOOD, Utc::now() - TimeDelta::days(6))]).await;
    let app = TestApp::run(settings(&pool)).await;
    let body = app.get("/api/v1/movies/550/sentiment").await.ok();
    assert_eq!((&body["stale"], &body["data_sources"]["batch"]), (&json!(["batch"]), &json!(null)));
    assert_eq!(body["sentiment"]["total_reviews"], 2);
    let nothing = app.get("/api/v1/movies/238/sentiment").await.ok();
    assert_eq!((&nothing["sentiment"]["overall_score"], &nothing["breakdown"]), (&json!(null), &json!([])));
    assert_eq!(app.get("/api/v1/movies/999/sentiment").await.problem().0, 404);
    app.stop().await;
}
