//! What holds for every answer.

use reqwest::Method;
use sqlx::PgPool;

use crate::app::{Answer, TestApp};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn seed_paths_answer_as_the_canonical_ones_do(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for path in [
        "/movies",
        "/movies/550",
        "/movies/trending",
        "/movies/238/similar",
        "/search?q=matrix",
        "/analytics/top-genres",
        "/analytics/ratings-by-decade",
    ] {
        let (canonical, alias) = (app.get(&format!("/api/v1{path}")).await, app.get(path).await);
        assert_eq!(canonical.header("x-cache"), "MISS", "{path}");
        assert_eq!((alias.header("x-cache"), alias.status), ("HIT", canonical.status), "{path}");
        assert_eq!(alias.bytes, canonical.bytes, "{path}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_request_id_is_kept_if_fit_and_made_otherwise(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for path in ["/movies/550", "/movies/999", "/nowhere", "/health/live"] {
        assert_eq!(app.get_with(path, "X-Request-ID", "abc.1").await.header("x-request-id"), "abc.1", "{path}");
        assert_eq!(app.get(path).await.header("x-request-id").len(), 36, "{path}");
        let long = app.get_with(path, "X-Request-ID", &"x".repeat(129)).await;
        assert_eq!(long.header("x-request-id").len(), 36, "{path}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn unknown_paths_and_wrong_methods_are_problems(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for path in ["/", "/nowhere", "/api/v1", "/api/v1/nowhere", "/api/v2/movies", "/movies/", "/movies/1/2", "/admin"] {
        assert_eq!(app.get(path).await.problem(), (404, "unknown_path".into(), String::new()), "{path}");
    }
    for (method, path, allow) in [
        (Method::POST, "/movies", "GET, HEAD"),
        (Method::DELETE, "/api/v1/movies/550", "GET, HEAD"),
        (Method::PATCH, "/search", "GET, HEAD"),
        (Method::from_bytes(b"BREW").unwrap(), "/health", "GET, HEAD"),
    ] {
        let answer = Answer::of(app.request(method.clone(), path)).await;
        assert_eq!(answer.problem(), (405, "method_not_allowed".into(), String::new()), "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn head_answers_as_get_without_the_body(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let get = app.get("/movies/550").await;
    let head = Answer::of(app.request(Method::HEAD, "/movies/550")).await;
    assert_eq!((head.status.as_u16(), head.header("etag"), head.bytes.len()), (200, get.header("etag"), 0));
    assert_eq!(head.header("content-length"), get.bytes.len().to_string());
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn answers_are_compressed_where_the_client_can_take_it(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let plain = app.get("/movies").await;
    for encoding in ["gzip", "br"] {
        let answer = app.get_with("/movies", "Accept-Encoding", encoding).await;
        assert_eq!(answer.header("content-encoding"), encoding);
        assert!(answer.bytes.len() < plain.bytes.len() && answer.header("vary").contains("ccept-"), "{encoding}");
        assert_eq!(answer.header("etag"), plain.header("etag"));
    }
    assert_eq!(plain.header("content-encoding"), "");
    let none = app.get_with("/movies", "Accept-Encoding", "identity;q=0, zstd").await;
    assert_eq!(none.problem().0, 406);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn metrics_are_text_or_json(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    app.get("/movies/550").await;
    app.get("/nowhere/at/all").await;
    let text = app.get("/metrics").await;
    assert!(text.header("content-type").starts_with("text/plain; version=0.0.4"));
    for series in [
        r#"http_requests_total{route="/movies/{id}",method="GET",status="200"}"#,
        r#"http_requests_total{route="none",method="GET",status="404"}"#,
        r#"http_request_duration_seconds_bucket{route="/movies/{id}",le="#,
        r#"cache_requests_total{family="movies",result="miss"}"#,
        r#"database_connections{state="open"}"#,
    ] {
        assert!(text.text().contains(series), "{series} is not in\n{}", text.text());
    }
    let json = app.get_with("/api/v1/metrics", "Accept", "application/json").await.ok();
    let found = json["metrics"].as_array().unwrap().iter().any(|sample| {
        sample["name"] == "http_requests_total"
            && sample["labels"]["route"] == "/movies/{id}"
            && sample["value"].is_number()
    });
    assert!(found, "{json}");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_port_that_is_taken_is_named_with_its_variable(pool: PgPool) {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let error = api::Application::build(settings::ApiSettings { listen, ..crate::app::settings(&pool) }).await.err();
    let message = error.unwrap().to_string();
    assert!(
        message.contains("API_PORT") && message.contains(&listen.to_string()) && !message.contains('\n'),
        "{message}"
    );
}
