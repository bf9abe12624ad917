//! Events and reviews posted, and read again by what the speed layer does with them.

use std::time::Duration;

use insta::assert_json_snapshot;
use serde_json::{Value, json};
use settings::{ApiSettings, EventLogSettings, WaitingSettings};
use sqlx::PgPool;
use test_support::{eventually, fixture, live};

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
    let alone = app.post("/api/v1/events", &json!({"user_id": "a b", "movie_id": 1, "event_type": "view"})).await;
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
        (json!({"movie_id": true, "content": "fine"}), "movie_id"),
    ] {
        let problem = app.post("/api/v1/reviews", &body).await.problem();
        assert_eq!(problem, (400, "invalid_body".into(), field.into()), "{body}");
    }
    let longest = json!({"movie_id": 550, "content": "é".repeat(10_000)});
    assert_eq!(app.post("/api/v1/reviews", &longest).await.status, 202);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn seed_5s_calls_work_as_printed(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let settings = settings(&pool);
    let prefix = settings.redis.prefix.clone();
    let app = TestApp::run(settings).await;
    let defined =
        app.admin_put("/api/v1/admin/aliases", json!({"aliases": [{"alias": "m002", "movie_id": 27205}]})).await;
    assert_eq!((defined.status.as_u16(), defined.json()), (200, json!({"changed": 1})));
    let click = json!({"user_id": "user_123", "movie_id": "m002", "event_type": "click"});
    let answer = app.post("/api/events", &click).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let body = answer.json();
    assert_eq!((&body["status"], &body["message"]), (&json!("accepted"), &json!("Event queued for processing")));
    let review = json!({"user_id": "user_123", "movie_id": "m002", "text": "Fine."});
    assert_eq!(app.post("/api/reviews", &review).await.status, 202);
    let logged = logged(&prefix).await;
    for fact in &logged {
        assert_eq!((&fact["user_id"], &fact["movie_id"]), (&json!("user_123"), &json!(27_205)), "{fact}");
    }
    assert_eq!(logged.len(), 2);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn movies_have_numbers_imdb_ids_and_aliases_and_an_unknown_one_is_refused_alone(pool: PgPool) {
    fixture::catalogue(&pool).await;
    sqlx::query("UPDATE movies SET imdb_id = 'tt0133093' WHERE movie_id = 603").execute(&pool).await.unwrap();
    let settings = settings(&pool);
    let prefix = settings.redis.prefix.clone();
    let app = TestApp::run(settings).await;
    let of = |movie: Value| json!({"user_id": 7, "movie_id": movie, "event_type": "view"});
    let refused = app.post("/api/v1/events", &of(json!("m001"))).await;
    assert_eq!(refused.problem(), (422, "unknown_alias".into(), "movie_id".into()));
    assert!(refused.text().contains("m001"), "{}", refused.text());
    let unknown = app.post("/api/v1/events", &of(json!("tt0000001"))).await;
    assert_eq!(unknown.problem(), (422, "unknown_movie".into(), "movie_id".into()));
    let review = json!({"movie_id": "m001", "content": "Fine."});
    assert_eq!(app.post("/api/v1/reviews", &review).await.problem().1, "unknown_alias");
    let aliases = json!({"aliases": [{"alias": "m001", "movie_id": 550}, {"alias": "m002", "movie_id": 238}]});
    assert_eq!(app.admin_put("/api/v1/admin/aliases", aliases.clone()).await.status, 200);
    assert_eq!(app.admin_put("/api/v1/admin/aliases", aliases).await.json(), json!({"changed": 0}));
    // This process knows a change at once.
    let movies = [json!(1), json!("2"), json!("tt0133093"), json!("m001"), json!("nobody's"), json!("m002")];
    let answer = app.post("/api/v1/events", &json!(movies.map(of))).await.json();
    let rejected = &answer["rejected"];
    assert_eq!((rejected[0]["index"].clone(), &rejected[0]["code"]), (json!(4), &json!("unknown_alias")));
    let logged = logged(&prefix).await;
    let movies: Vec<&Value> = logged.iter().map(|fact| &fact["movie_id"]).collect();
    assert_eq!(json!(movies), json!([1, 2, 603, 550, 238]));

    let listed = app.admin_get("/api/v1/admin/aliases?limit=1&offset=1").await.json();
    assert_eq!((&listed["items"][0]["alias"], &listed["total"]), (&json!("m002"), &json!(2)));
    assert_eq!(app.admin_delete("/api/v1/admin/aliases/m001").await.status, 204);
    assert_eq!(app.admin_delete("/api/v1/admin/aliases/m001").await.status, 404);
    assert_eq!(app.post("/api/v1/events", &of(json!("m001"))).await.status, 422);
    for alias in ["550", "tt0133093", "a b", ""] {
        let bad = json!({"aliases": [{"alias": alias, "movie_id": 550}]});
        let problem = app.admin_put("/api/v1/admin/aliases", bad).await.problem();
        assert_eq!(problem, (400, "invalid_body".into(), "aliases[0].alias".into()), "{alias}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_viewer_is_exported_and_forgotten_by_the_admin_only(pool: PgPool) {
    use storage::postgres::speed::{self, MicroBatch};
    fixture::catalogue(&pool).await;
    let event = || domain::events::Event {
        user_id: "é/1".parse().unwrap(),
        ..live::event(550, domain::events::EventType::View, chrono::Utc::now())
    };
    // More than a page of the export.
    let events = (0..1_500).map(|_| event()).collect();
    speed::apply(&pool, &MicroBatch { events, reviews: Vec::new() }).await.unwrap();
    let app = TestApp::run(settings(&pool)).await;
    let (path, export) = ("/api/v1/viewers/%C3%A9%2F1", "/api/v1/viewers/%C3%A9%2F1/export");
    assert_eq!(app.get(export).await.status, 401);
    let exported = app.admin_get(export).await.json();
    assert_eq!((&exported["user_id"], exported["events"].as_array().map(Vec::len)), (&json!("é/1"), Some(1_500)));
    assert_eq!((&exported["reviews"], &exported["ratings"], &exported["hidden"]), (&json!([]), &json!([]), &json!([])));
    let forgotten = app.admin_delete(path).await;
    assert_eq!((forgotten.status.as_u16(), &forgotten.json()["events"]), (200, &json!(1_500)));
    assert_eq!(app.admin_delete(path).await.status, 404);
    assert_eq!(app.admin_get(export).await.status, 404);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_the_database_numbers_are_taken_and_names_must_wait(pool: PgPool) {
    let mut settings = settings(&pool);
    settings.database.url = format!("postgres://nobody@{NOWHERE}/none").into();
    let app = TestApp::run(settings).await;
    assert_eq!(app.post("/api/v1/events", &view(550)).await.status, 202);
    let named = json!([{"user_id": 7, "movie_id": "m001", "event_type": "view"}, view(550)]);
    let answer = app.post("/api/v1/events", &named).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_log_that_is_full_or_away_says_when_to_come_again(pool: PgPool) {
    let full = ApiSettings { event_log: EventLogSettings { url: None, capacity: 1 }, ..settings(&pool) };
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

/// Facts that wait for an unknown movie.
async fn wait_for(pool: &PgPool, movie: i64, facts: i32) {
    sqlx::query(
        "INSERT INTO waiting_facts (kind, fact_id, movie_id, payload, units)
         SELECT 'event', gen_random_uuid(), $1, '{}', 1 FROM generate_series(1, $2)",
    )
    .bind(movie)
    .bind(facts)
    .execute(pool)
    .await
    .unwrap();
}

fn view(movie: i64) -> Value {
    json!({"user_id": 7, "movie_id": movie, "event_type": "view"})
}

/// Posts the body until the answer has this status; the API reads once a second how full the room is.
async fn until(app: &TestApp, path: &str, body: &Value, status: u16) -> Answer {
    eventually(&format!("the answer is {status}"), Duration::from_secs(20), async || {
        let answer = app.post(path, body).await;
        if answer.status == status { Ok(answer) } else { Err(answer.status) }
    })
    .await
}

/// An API with room for three facts a movie and ten in all.
async fn small_room(pool: &PgPool) -> (TestApp, String) {
    fixture::catalogue(pool).await;
    let mut settings: ApiSettings = settings(pool);
    settings.waiting = WaitingSettings { per_movie: 3, total: 10, ..settings.waiting };
    let prefix = settings.redis.prefix.clone();
    (TestApp::run(settings).await, prefix)
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_for_which_no_more_can_wait_is_refused_alone(pool: PgPool) {
    let (app, prefix) = small_room(&pool).await;
    wait_for(&pool, 999_999, 3).await;
    let refused = until(&app, "/api/v1/events", &view(999_999), 422).await;
    assert_eq!(refused.problem(), (422, "unknown_movie".into(), "movie_id".into()));
    let review = json!({"movie_id": 999_999, "content": "What movie?"});
    assert_eq!(app.post("/api/v1/reviews", &review).await.problem().0, 422);

    let mixed = app
        .post("/api/v1/events", &json!([view(999_999), view(550), "dance", view(888_888), view(999_999), view(603)]))
        .await;
    assert_eq!(mixed.status, 202, "{}", mixed.text());
    let body = mixed.json();
    let rejected: Vec<(&Value, &Value)> =
        body["rejected"].as_array().unwrap().iter().map(|item| (&item["index"], &item["code"])).collect();
    let expected = [(0, "unknown_movie"), (2, "malformed_event"), (4, "unknown_movie")];
    assert_eq!(json!(rejected), json!(expected));
    // Before the API had read the room, it took the unknown movie's.
    let mut logged = logged(&prefix).await;
    logged.retain(|fact| fact["movie_id"] != 999_999);
    let movies: Vec<&Value> = logged.iter().map(|fact| &fact["movie_id"]).collect();
    assert_eq!(json!(movies), json!([550, 888_888, 603]), "in the order sent");
    let ids: Vec<&Value> = logged.iter().map(|fact| &fact["event_id"]).collect();
    assert_eq!(json!(ids), body["accepted"]);

    // The movie arrives; what waits for it is not applied yet.
    sqlx::query("INSERT INTO movies (movie_id, title, source) VALUES (999999, 'New', 'demo')")
        .execute(&pool)
        .await
        .unwrap();
    until(&app, "/api/v1/events", &view(999_999), 202).await;
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_full_waiting_room_says_when_to_come_again_and_known_movies_go_on(pool: PgPool) {
    let (app, _) = small_room(&pool).await;
    for movie in 0..10 {
        wait_for(&pool, 900_000 + movie, 1).await;
    }
    let refused = until(&app, "/api/v1/events", &view(888_888), 503).await;
    assert_eq!(refused.problem(), (503, "waiting_room_full".into(), "movie_id".into()));
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(app.post("/api/v1/events", &view(550)).await.status, 202);
    let array = app.post("/api/v1/events", &json!([view(888_888), view(603)])).await;
    assert_eq!((array.status.as_u16(), &array.json()["rejected"][0]["code"]), (202, &json!("waiting_room_full")));
    assert_eq!(app.post("/api/v1/reviews", &json!({"movie_id": 550, "content": "Fine."})).await.status, 202);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn facts_in_the_log_count_towards_the_bound(pool: PgPool) {
    let (app, _) = small_room(&pool).await;
    // Nobody counts them: they may all turn out to be about unknown movies.
    let many: Vec<Value> = (0..10).map(|movie| view(900_000 + movie)).collect();
    assert_eq!(app.post("/api/v1/events", &json!(many)).await.status, 202);
    until(&app, "/api/v1/events", &view(888_888), 503).await;
    assert_eq!(app.post("/api/v1/events", &view(550)).await.status, 202);
    app.stop().await;
}
