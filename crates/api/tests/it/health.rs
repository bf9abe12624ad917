use std::time::{Duration, Instant};

use insta::assert_json_snapshot;
use secrecy::SecretString;
use sqlx::PgPool;
use test_support::fixture;

use crate::app::{NOWHERE, TestApp, settings, settings_for};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn all_parts_up_is_healthy(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let body = app.get("/api/v1/health").await.ok();
    assert_json_snapshot!(body, {
        ".timestamp" => "[time]",
        ".version" => "[version]",
        ".data_freshness.cutoff_time" => "[time]",
        ".services.postgres.latency_ms" => "[ms]",
        ".services.postgres.version" => "[version]",
        ".services.mongodb.latency_ms" => "[ms]",
        ".services.mongodb.version" => "[version]",
        ".services.redis.total_keys" => "[keys]",
        ".services.batch_layer.last_update" => "[time]",
    });
    let parts = ["live", "ready", "database", "mongodb", "cache", "routing", "search"];
    for path in parts.map(|part| format!("/health/{part}")) {
        assert_eq!(app.get(&path).await.status, 200, "{path}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_details_of_each_part_can_be_asked_for(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    app.get("/movies/550").await;
    app.get("/movies/550").await;
    let database = app.get("/health/database").await.ok();
    assert_json_snapshot!(database, {
        ".latency_ms" => "[ms]", ".version" => "[version]", ".pool_size" => "[n]", ".pool_idle" => "[n]",
    });
    let cache = app.get("/health/cache").await.ok();
    assert_json_snapshot!(cache, {
        ".latency_ms" => "[ms]", ".total_keys" => "[keys]", ".maxmemory_policy" => "[policy]",
        ".memory_entries" => "[n]", ".memory_bytes" => "[n]",
    });
    assert_json_snapshot!(app.get("/health/search").await.ok());
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_artifacts_or_redis_the_service_is_degraded(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let app = TestApp::run(settings(&pool)).await;
    // Until the connections are there, a probe may take too long, and the layer's status is unknown.
    test_support::eventually("the batch layer is known to be empty", Duration::from_secs(10), async || {
        let body = app.get("/health").await.ok();
        assert_eq!(body["status"], "degraded", "{body}");
        (body["services"]["batch_layer"]["status"] == "no_data").then_some(())
    })
    .await;
    app.stop().await;

    fixture::artifacts(&pool).await;
    let mut without_redis = settings(&pool);
    without_redis.cache.url = SecretString::from(format!("redis://{NOWHERE}"));
    let app = TestApp::run(without_redis).await;
    let body = app.get("/health").await.ok();
    assert_eq!((&body["status"], &body["services"]["redis"]["status"]), (&"degraded".into(), &"disconnected".into()));
    assert_eq!(app.get("/health/cache").await.status, 503);
    assert_eq!(app.get("/health/ready").await.status, 200);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_meilisearch_that_is_down_degrades_and_postgres_answers(pool: PgPool) {
    fixture::small(&pool).await;
    let mut settings = settings(&pool);
    let url = format!("http://{NOWHERE}").parse().unwrap();
    settings.meili = Some(settings::MeiliSettings { url, key: None, index: "movies".into() });
    let app = TestApp::run(settings).await;
    assert_eq!(app.get("/health").await.ok()["status"], "degraded");
    let search = app.get("/health/search").await;
    assert_eq!((search.status.as_u16(), &search.json()["engine"]), (503, &"postgres".into()));
    let found = app.get("/search?q=matrix").await.ok();
    assert_eq!((&found["engine"], &found["total"]), (&"postgres".into(), &2.into()));
    app.stop().await;
}

#[actix_web::test]
async fn without_the_database_health_says_so_soon_and_reads_are_503() {
    let started = Instant::now();
    let mut settings = settings_for(format!("postgres://u:p@{NOWHERE}/d"));
    settings.database.acquire_timeout = Duration::from_secs(2);
    let app = TestApp::run(settings).await;
    assert!(started.elapsed() < Duration::from_secs(10), "the start waits for nothing");
    let answer = app.get("/health").await;
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), &body["status"]), (503, &"error".into()));
    assert_eq!(body["services"]["postgres"]["status"], "down");
    assert_eq!(body["services"]["batch_layer"]["status"], "unknown");
    assert_eq!(app.get("/health/live").await.status, 200);
    assert_eq!(app.get("/health/ready").await.problem().1, "not_ready");
    assert_eq!(app.get("/health/database").await.status, 503);
    let movie = app.get("/movies/550").await;
    assert_eq!(movie.problem().1, "unavailable");
    assert!(!movie.header("retry-after").is_empty());
    assert!(!movie.text().contains(NOWHERE), "{}", movie.text());
    app.stop().await;
}

#[sqlx::test(migrations = false)]
async fn with_migrations_pending_the_service_is_alive_but_not_ready(pool: PgPool) {
    let app = TestApp::run(settings(&pool)).await;
    let answer = app.get("/health/ready").await;
    assert_eq!(answer.problem().1, "not_ready");
    assert!(answer.text().contains("migrations are pending"), "{}", answer.text());
    assert_eq!(app.get("/health/live").await.status, 200);
    app.stop().await;
}
