use api::access::Access;
use api::endpoints::endpoints;
use domain::JobId;
use insta::assert_json_snapshot;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use storage::postgres::jobs::lease::{self, Progress};

use crate::app::{ADMIN_KEY, Answer, TestApp, settings};
use crate::sse::Reader;

async fn start(pool: &PgPool) -> TestApp {
    TestApp::run(settings(pool)).await
}

/// A path under /admin that somebody declares open fails here, and so does a write that nobody has thought about.
#[test]
fn what_is_open_is_reading_and_handing_in_what_viewers_do() {
    for endpoint in endpoints() {
        let (path, open) = (endpoint.paths().swap_remove(0), endpoint.access == Access::Open);
        assert!(!(open && path.contains("/admin/")), "{path} is open");
        let reading = endpoint.method() == "GET" || path.starts_with("/api/v1/recommendations/");
        let facts = ["/api/v1/events", "/api/v1/reviews", "/api/events", "/api/reviews"].contains(&path.as_str());
        let handed_in = facts || path.contains("/hidden/");
        assert!(!open || handed_in || reading, "{} {path} is open", endpoint.method());
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn every_admin_path_asks_for_the_key(pool: PgPool) {
    let app = start(&pool).await;
    let mut paths = 0;
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.access != Access::Open) {
        for path in endpoint.paths() {
            let method: Method = endpoint.method().as_str().parse().unwrap();
            let none = Answer::of(app.request(method.clone(), &path)).await;
            assert_eq!(none.status, 401, "{method} {path}");
            let wrong = Answer::of(app.request(method.clone(), &path).header("X-API-Key", "wrong")).await;
            assert_eq!(wrong.status, 403, "{method} {path}");
            paths += 1;
        }
    }
    assert!(paths >= 14, "{paths}");
    let none = app.get("/admin/jobs").await;
    assert_eq!(none.problem().1, "unauthenticated");
    assert!(none.header("www-authenticate").starts_with("Bearer"));
    assert_eq!(app.get_with("/admin/jobs", "X-API-Key", "wrong").await.problem().1, "wrong_key");
    assert_eq!(app.get_with("/admin/jobs", "Authorization", &format!("Bearer {ADMIN_KEY}")).await.status, 200);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_a_configured_key_admin_says_which_variable_to_set(pool: PgPool) {
    let app = TestApp::run(api_without_key(&pool)).await;
    let answer = app.admin_get("/admin/jobs").await;
    assert_eq!(answer.problem(), (403, "admin_disabled".into(), String::new()));
    assert!(answer.text().contains("ADMIN_API_KEY_SHA256"), "{}", answer.text());
    app.stop().await;
}

fn api_without_key(pool: &PgPool) -> settings::ApiSettings {
    settings::ApiSettings { admin_key_sha256: None, ..settings(pool) }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_trigger_answers_with_the_job_and_where_to_watch_it(pool: PgPool) {
    let app = start(&pool).await;
    let answer = app.admin_post("/api/v1/admin/ingest/run", json!({"mode": "full"})).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let job = answer.json();
    assert_json_snapshot!(job, { ".job_id" => "[id]", ".task_id" => "[id]", ".created_at" => "[time]" });
    assert_eq!(job["job_id"], job["task_id"]);
    let location = answer.header("location").to_owned();
    assert_eq!(location, format!("/api/v1/admin/jobs/{}", job["job_id"].as_str().unwrap()));
    assert_eq!(app.admin_get(&location).await.ok(), job);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn each_trigger_enqueues_its_kind_of_job(pool: PgPool) {
    let app = start(&pool).await;
    for (path, kind) in [
        ("/admin/ingest/run", "ingest"),
        ("/admin/compute/trending", "trending"),
        ("/admin/compute/genre-stats", "genre-stats"),
        ("/admin/compute/ratings-by-decade", "ratings-by-decade"),
        ("/admin/compute/similar", "similar"),
        // Seed 3's word.
        ("/admin/compute/recommendations", "similar"),
        ("/admin/compute/all", "compute-all"),
        ("/admin/search/build-index", "search-index"),
    ] {
        let answer = app.admin_post(path, Value::Null).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["kind"]), (202, &json!(kind)), "{path}");
    }
    let forced = app.admin_post("/admin/compute/trending", json!({"force": true})).await.json();
    assert_eq!(forced["payload"], json!({"force": true}));
    for (options, field) in [(json!({"force": "yes"}), "force"), (json!({"mode": "full"}), "mode")] {
        let refused = app.admin_post("/admin/compute/trending", options).await;
        assert_eq!(refused.problem(), (400, "invalid_body".into(), field.into()));
    }
    let unknown = app.admin_post("/admin/compute/everything", Value::Null).await;
    assert_eq!(unknown.problem(), (404, "not_found".into(), "job".into()));
    assert!(unknown.text().contains("genre-stats") && unknown.text().contains("all"), "{}", unknown.text());
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn asking_twice_with_one_idempotency_key_makes_one_job(pool: PgPool) {
    let app = start(&pool).await;
    let ask = |path: &'static str, key: String| {
        Answer::of(app.request(Method::POST, path).header("X-API-Key", ADMIN_KEY).header("Idempotency-Key", key))
    };
    let first = ask("/admin/compute/all", "once".into()).await;
    let second = ask("/admin/compute/all", "once".into()).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (202, 202));
    assert_eq!(first.json()["job_id"], second.json()["job_id"]);
    let other = ask("/admin/compute/trending", "once".into()).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused".into(), "Idempotency-Key".into()));
    for unfit in ["x".repeat(201), "two words".into(), String::new()] {
        let refused = ask("/admin/compute/all", unfit).await;
        assert_eq!(refused.problem(), (400, "invalid_parameter".into(), "Idempotency-Key".into()));
    }
    assert_eq!(app.admin_get("/admin/jobs").await.ok()["total"], 1);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn jobs_are_listed_newest_first_and_filtered(pool: PgPool) {
    let app = start(&pool).await;
    for path in ["/admin/ingest/run", "/admin/compute/trending", "/admin/compute/all"] {
        app.admin_post(path, Value::Null).await;
    }
    let kinds = |body: Value| -> Vec<String> {
        body["items"].as_array().unwrap().iter().map(|job| job["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(app.admin_get("/admin/jobs").await.ok()), ["compute-all", "trending", "ingest"]);
    assert_eq!(kinds(app.admin_get("/admin/jobs?limit=1&offset=1").await.ok()), ["trending"]);
    assert_eq!(kinds(app.admin_get("/admin/jobs?kind=ingest&status=queued").await.ok()), ["ingest"]);
    assert_eq!(app.admin_get("/admin/jobs?status=failed").await.ok()["total"], 0);
    for (query, field) in [("kind=mining", "kind"), ("status=lost", "status"), ("limit=0", "limit")] {
        let refused = app.admin_get(&format!("/admin/jobs?{query}")).await;
        assert_eq!(refused.problem(), (400, "invalid_parameter".into(), field.into()));
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn rows_of_earlier_releases_are_listed_as_they_were_asked_for(pool: PgPool) {
    let app = start(&pool).await;
    sqlx::query(
        "INSERT INTO jobs (job_id, kind, queue, payload, requested_by, max_attempts)
         VALUES (gen_random_uuid(), 'recommendations', 'compute', '{\"force\": true, \"mode\": \"full\"}', 'cli', 5)",
    )
    .execute(&pool)
    .await
    .unwrap();
    app.admin_post("/admin/compute/similar", Value::Null).await;
    for query in ["kind=similar", "kind=recommendations"] {
        let list = app.admin_get(&format!("/admin/jobs?{query}")).await.ok();
        assert_eq!(list["total"], 2, "{query}");
        assert_eq!(list["items"][1]["kind"], "similar");
        assert_eq!(list["items"][1]["payload"], json!({"force": true, "mode": "full"}));
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_can_be_cancelled_and_retried_where_that_makes_sense(pool: PgPool) {
    let app = start(&pool).await;
    let job = app.admin_post("/admin/compute/trending", Value::Null).await.json();
    let path = format!("/admin/jobs/{}", job["job_id"].as_str().unwrap());
    let set = async |status: &str| {
        sqlx::query("UPDATE jobs SET status = $1").bind(status).execute(&pool).await.unwrap();
    };

    let cancelled = app.admin_post(&format!("{path}/cancel"), Value::Null).await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.json()["status"]), (202, &json!("cancelled")));
    let again = app.admin_post(&format!("{path}/cancel"), Value::Null).await;
    assert_eq!((again.status.as_u16(), &again.json()["status"]), (202, &json!("cancelled")));

    let retried = app.admin_post(&format!("{path}/retry"), Value::Null).await;
    assert_eq!((retried.status.as_u16(), &retried.json()["status"]), (202, &json!("queued")));

    set("running").await;
    assert_eq!(app.admin_post(&format!("{path}/retry"), Value::Null).await.problem().0, 409);
    let asked = app.admin_post(&format!("{path}/cancel"), Value::Null).await.json();
    assert_eq!((&asked["status"], &asked["cancel_requested"]), (&json!("running"), &json!(true)));

    set("succeeded").await;
    for action in ["cancel", "retry"] {
        let refused = app.admin_post(&format!("{path}/{action}"), Value::Null).await;
        assert_eq!(refused.problem(), (409, "conflict".into(), String::new()), "{action}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_is_followed_until_it_has_ended(pool: PgPool) {
    let app = start(&pool).await;
    let job = app.admin_post("/admin/compute/trending", Value::Null).await.json();
    let id = job["job_id"].as_str().unwrap().parse().unwrap();
    let path = format!("/api/v1/admin/jobs/{id}/stream");
    let mut reader = Reader::open(&app, &path).await;
    let (name, _, body) = reader.next().await.unwrap();
    assert_eq!((name.as_str(), &body), ("job", &app.admin_get(&format!("/admin/jobs/{id}")).await.ok()));

    let (_, lease) = lease::claim(&pool, JobId(id), "test").await.unwrap().unwrap();
    let progress = Progress { done: 3, total: Some(10), phase: Some("reading".into()) };
    lease::heartbeat(&pool, lease, &progress).await.unwrap();
    let body = loop {
        let (name, _, body) = reader.next().await.unwrap();
        assert_eq!((name.as_str(), &body["status"]), ("job", &json!("running")));
        if body["progress"]["done"] == 3 {
            break body;
        }
    };
    assert_eq!((&body["progress"]["total"], &body["progress"]["phase"]), (&json!(10), &json!("reading")));

    lease::succeed(&pool, lease, &json!({"rows": 10}), &progress).await.unwrap();
    let (name, _, body) = reader.next().await.unwrap();
    assert_eq!((name.as_str(), &body["status"], &body["result"]), ("end", &json!("succeeded"), &json!({"rows": 10})));
    assert!(reader.next().await.is_none(), "nothing comes after the end");
    // Who comes again by itself is told to stay away; who asks anew hears the end.
    let again = app.request(Method::GET, &path).header("X-API-Key", ADMIN_KEY).header("Last-Event-ID", "2");
    assert_eq!(Answer::of(again).await.status, 204);
    assert_eq!(Reader::open(&app, &path).await.next().await.unwrap().0, "end");
    assert_eq!(app.admin_get("/admin/jobs/01a2035c-8195-7756-ba6e-1e9c9a2b537d/stream").await.status, 404);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_unknown_job_is_404_and_a_malformed_id_400(pool: PgPool) {
    let app = start(&pool).await;
    let unknown = format!("/admin/jobs/{}", uuid::Uuid::nil());
    assert_eq!(app.admin_get(&unknown).await.problem(), (404, "not_found".into(), "id".into()));
    for action in ["cancel", "retry"] {
        assert_eq!(app.admin_post(&format!("{unknown}/{action}"), Value::Null).await.problem().0, 404);
        let malformed = app.admin_post(&format!("/admin/jobs/17/{action}"), Value::Null).await;
        assert_eq!(malformed.problem(), (400, "invalid_parameter".into(), "id".into()));
    }
    assert_eq!(app.admin_get("/admin/jobs/17").await.problem(), (400, "invalid_parameter".into(), "id".into()));
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn bodies_that_do_not_fit_are_refused(pool: PgPool) {
    let app = start(&pool).await;
    let send = |body: Vec<u8>, content_type: &'static str| {
        let request = app.request(Method::POST, "/admin/compute/all").header("X-API-Key", ADMIN_KEY);
        Answer::of(request.header("content-type", content_type).body(body))
    };
    let json = "application/json";
    for (body, content_type, expected) in [
        (b"{\"force\": \"yes\"}".to_vec(), json, (400, "invalid_body", "force")),
        (b"{\"colour\": 1}".to_vec(), json, (400, "invalid_body", "colour")),
        (b"{\"force\": true".to_vec(), json, (400, "invalid_body", "")),
        (b"\xff\xfe".to_vec(), json, (400, "invalid_body", "")),
        (b"[".repeat(60_000), json, (400, "invalid_body", "")),
        (b"{\"force\": true}".to_vec(), "text/plain", (415, "unsupported_media_type", "")),
        (vec![b' '; 64 * 1024 + 1], json, (413, "body_too_large", "")),
        (vec![b' '; 8 * 1024 * 1024], json, (413, "body_too_large", "")),
    ] {
        let size = body.len();
        let (status, code, field) = send(body, content_type).await.problem();
        assert_eq!((status, code.as_str(), field.as_str()), expected, "{size} bytes of {content_type}");
    }
    assert_eq!(send(b"{\"force\": true}".to_vec(), "application/json; charset=utf-8").await.status, 202);
    app.stop().await;
}
