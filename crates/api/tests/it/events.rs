//! Events and reviews posted, and read again by what the speed layer does with them.

use insta::assert_json_snapshot;
use serde_json::{Value, json};
use settings::EventLogSettings;
use sqlx::PgPool;
use test_support::live;

use crate::app::{Answer, NOWHERE, TestApp, settings};

/// What lies in the log of an API with this prefix.
async fn logged(prefix: &str) -> Vec<Value> {
    let log = live::log(prefix, 1_000);
    live::logged(&*log).await.iter().map(|entry| serde_json::from_str(&entry.payload).unwrap()).collect()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_array_is_judged_item_by_item(pool: PgPool) {
    let settings = settings(&pool);
    let prefix = settings.redis.prefix.clone();
    let app = TestApp::run(settings).await;
    let answer = app
        .post(
            "/api/v1/events",
            &json!([
                {"event_id": "0195817e-0000-7000-8000-000000000001", "user_id": 7, "movie_id": 550, "event_type": "view"},
                {"user_id": 7, "movie_id": 550, "event_type": "dance"},
                {"user_id": 7, "movie_id": 550, "event_type": "rating", "rating": 8.5},
                {"user_id": 7, "movie_id": 550, "event_type": "rating"},
                {"user_id": 7, "movie_id": -1, "event_type": "view"},
                {"user_id": 7, "movie_id": 550, "event_type": "view", "occurred_at": "1999-12-31T23:59:59Z"},
                "view",
            ]),
        )
        .await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_json_snapshot!(answer.json(), { ".accepted[1]" => "[id]" });
    let logged = logged(&prefix).await;
    let ids: Vec<&Value> = logged.iter().map(|fact| &fact["event_id"]).collect();
    assert_eq!(json!(ids), answer.json()["accepted"], "what is accepted is in the log, in its order");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_thousand_events_fit_and_more_do_not(pool: PgPool) {
    let app = TestApp::run(settings(&pool)).await;
    let event = json!({"event_id": "0195817e-0000-7000-8000-000000000001", "user_id": i64::MAX, "movie_id": i64::MAX,
        "event_type": "impression", "occurred_at": chrono::Utc::now()});
    let all = app.post("/api/v1/events", &json!(vec![&event; 1_000])).await;
    assert_eq!((all.status.as_u16(), all.json()["accepted"].as_array().map(Vec::len)), (202, Some(1_000)));
    for (body, status, code) in [
        (json!(vec![&event; 1_001]), 400, "invalid_body"),
        (json!([]), 400, "invalid_body"),
        (json!("view"), 400, "invalid_body"),
        (json!("x".repeat(600_000)), 413, "body_too_large"),
    ] {
        let problem = app.post("/api/v1/events", &body).await.problem();
        assert_eq!((problem.0, problem.1.as_str()), (status, code));
    }
    let alone = app.post("/api/v1/events", &json!({"user_id": 0, "movie_id": 1, "event_type": "view"})).await;
    assert_eq!(alone.problem(), (400, "invalid_body".into(), "user_id".into()));
    let broken = Answer::of(
        app.request(reqwest::Method::POST, "/api/v1/events").header("content-type", "application/json").body("[{"),
    );
    assert_eq!(broken.await.problem().0, 400);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_review_is_taken_with_an_id(pool: PgPool) {
    let settings = settings(&pool);
    let prefix = settings.redis.prefix.clone();
    let app = TestApp::run(settings).await;
    let review = json!({"movie_id": 550, "content": "A wonderful film, I loved it.", "rating": 9.5});
    let answer = app.post("/api/v1/reviews", &review).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_json_snapshot!(answer.json(), { ".review_id" => "[id]" });
    let logged = logged(&prefix).await;
    assert_eq!((&logged[0]["review_id"], &logged[0]["kind"]), (&answer.json()["review_id"], &json!("review")));
    for (body, field) in [
        (json!({"movie_id": 550, "content": " "}), "content"),
        (json!({"movie_id": 550, "content": "é".repeat(10_001)}), "content"),
        (json!({"movie_id": 0, "content": "fine"}), "movie_id"),
        (json!({"movie_id": 550, "content": "fine", "rating": 11}), "rating"),
        (json!({"movie_id": "550", "content": "fine"}), "movie_id"),
    ] {
        let problem = app.post("/api/v1/reviews", &body).await.problem();
        assert_eq!(problem, (400, "invalid_body".into(), field.into()), "{body}");
    }
    let longest = json!({"movie_id": 550, "content": "é".repeat(10_000)});
    assert_eq!(app.post("/api/v1/reviews", &longest).await.status, 202);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_log_that_is_full_or_away_says_when_to_come_again(pool: PgPool) {
    let full = settings::ApiSettings { event_log: EventLogSettings { url: None, capacity: 1 }, ..settings(&pool) };
    let mut away = settings(&pool);
    away.redis.url = format!("redis://{NOWHERE}").into();
    let view = json!({"user_id": 7, "movie_id": 550, "event_type": "view"});
    for (settings, code) in [(full, "event_log_full"), (away, "event_log_unavailable")] {
        let app = TestApp::run(settings).await;
        let answer = app.post("/api/v1/events", &json!([view, view])).await;
        assert_eq!(answer.problem(), (503, code.into(), String::new()));
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
        app.stop().await;
    }
}
