use std::time::Duration;

use chrono::TimeDelta;
use domain::artifacts::CacheFamily;
use reqwest::StatusCode;
use secrecy::SecretString;
use settings::ApiSettings;
use sqlx::PgPool;
use test_support::fixture::{self, today};

use crate::app::{ADMIN_KEY, Answer, NOWHERE, TestApp, settings, titles};
use crate::trending::publish;

/// Asks until the answer is as wanted, at most ten seconds long: caches follow the database within moments, not at once.
async fn eventually(app: &TestApp, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    test_support::eventually(path, Duration::from_secs(10), async || {
        let answer = app.get(path).await;
        if wanted(&answer) { Ok(answer) } else { Err(answer) }
    })
    .await
}

async fn retitle(pool: &PgPool, title: &str) {
    sqlx::query("UPDATE movies SET title = $1 WHERE movie_id = 550").bind(title).execute(pool).await.unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_second_request_hits_and_one_with_no_cache_bypasses(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let miss = app.get("/movies/550").await;
    let hit = app.get("/movies/550").await;
    assert_eq!((miss.header("x-cache"), hit.header("x-cache")), ("MISS", "HIT"));
    assert_eq!((hit.bytes, hit.headers["etag"].clone()), (miss.bytes, miss.headers["etag"].clone()));
    // What viewers do shows in it within the second, and no purge reaches a browser.
    assert_eq!(hit.headers["cache-control"], "public, max-age=0, s-maxage=2, stale-if-error=600");
    assert_eq!(hit.headers["age"], "0", "found to be right just now");
    // A list of movies counts viewers' ratings too; a search does not follow them.
    assert_eq!(app.get("/movies").await.headers["cache-control"], hit.headers["cache-control"]);
    let list = app.get("/search").await;
    assert_eq!(list.headers["cache-control"], "public, max-age=60, stale-while-revalidate=30, stale-if-error=600");
    assert!(list.headers["age"].to_str().unwrap().parse::<u64>().unwrap() < 60);

    retitle(&pool, "Fight Club 2").await;
    assert_eq!(app.get("/movies/550").await.ok()["title"], "Fight Club");
    let fresh = app.get_with("/movies/550", "Cache-Control", "no-cache").await;
    assert_eq!((fresh.header("x-cache"), &fresh.json()["title"]), ("BYPASS", &"Fight Club 2".into()));
    let after = app.get("/movies/550").await;
    assert_eq!((after.header("x-cache"), &after.json()["title"]), ("HIT", &"Fight Club 2".into()));
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn parameters_that_mean_the_same_share_an_entry(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    assert_eq!(app.get("/search?q=matrix&year=1999").await.header("x-cache"), "MISS");
    for same in ["/search?year=1999&q=matrix", "/api/v1/search?q=%6Datrix&year=1999&limit=20&utm=1"] {
        assert_eq!(app.get(same).await.header("x-cache"), "HIT", "{same}");
    }
    for other in ["/search?q=matrix", "/search?q=matrix&year=1999&limit=1", "/search?q=matrix%26year%3D1999"] {
        assert_eq!(app.get(other).await.header("x-cache"), "MISS", "{other}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_known_etag_is_answered_304(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let first = app.get("/movies/550").await;
    let etag = first.header("etag");
    assert!(etag.starts_with("W/\""), "{etag}");
    let same = app.get_with("/movies/550", "If-None-Match", etag).await;
    assert_eq!((same.status, same.bytes.len(), same.header("etag")), (StatusCode::NOT_MODIFIED, 0, etag));
    assert!(!same.header("cache-control").is_empty());
    let gzip = app.request(reqwest::Method::GET, "/movies/550").header("Accept-Encoding", "gzip");
    assert_eq!(Answer::of(gzip.header("If-None-Match", etag)).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(app.get_with("/movies/550", "If-None-Match", "W/\"other\"").await.status, StatusCode::OK);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn failures_are_not_cached(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    assert_eq!(app.get("/movies/999").await.status, 404);
    sqlx::query("UPDATE movies SET movie_id = 999 WHERE movie_id = 289").execute(&pool).await.unwrap_err();
    sqlx::query("INSERT INTO movies (movie_id, title, source) VALUES (999, 'New', 'demo')")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(app.get("/movies/999").await.ok()["title"], "New");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn publishing_a_run_makes_the_old_answer_unreachable_and_leaves_other_families_alone(pool: PgPool) {
    fixture::small(&pool).await;
    let mut settings = settings(&pool);
    // Or the answer may be computed before it is asked for.
    settings.cache.warm = 0;
    let app = TestApp::run(settings).await;
    let before = app.get("/movies/trending").await.ok();
    app.get("/movies/550").await;
    assert_eq!(app.get("/movies/trending").await.header("x-cache"), "HIT");
    publish(&pool, today() + TimeDelta::days(1), &[289]).await;
    let after = eventually(&app, "/movies/trending", |answer| answer.json()["run_id"] != before["run_id"]).await;
    // A miss, unless the warming that a new run sets off was there first.
    assert_eq!(titles(&after.ok()), ["Casablanca"]);
    assert_eq!(app.get("/movies/550").await.header("x-cache"), "HIT");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_next_run_is_heard_of_also_after_the_listener_lost_its_connection(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    app.get("/movies/trending").await;
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
        .execute(&pool)
        .await
        .unwrap();
    publish(&pool, today() + TimeDelta::days(1), &[289]).await;
    eventually(&app, "/movies/trending", |answer| answer.status == 200 && titles(&answer.json()) == ["Casablanca"])
        .await;
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn two_processes_share_what_one_has_computed(pool: PgPool) {
    fixture::small(&pool).await;
    let settings = settings(&pool);
    let (one, other) = (TestApp::run(settings.clone()).await, TestApp::run(settings).await);
    let computed = one.get("/movies/550").await;
    // From here on nobody can compute; the entry is written to Redis in the background.
    sqlx::query("ALTER TABLE movies RENAME TO movies_away").execute(&pool).await.unwrap();
    let shared = eventually(&other, "/movies/550", |answer| answer.status == 200).await;
    assert_eq!((shared.header("x-cache"), &shared.bytes), ("HIT", &computed.bytes));
    assert_eq!(shared.header("etag"), computed.header("etag"));
    one.stop().await;
    other.stop().await;
}

/// Outdates everything that is cached of movies, and leaves nobody to compute it anew.
async fn lose_movies(pool: &PgPool) {
    sqlx::query("UPDATE cache_generations SET generation = generation + 1").execute(pool).await.unwrap();
    sqlx::query("ALTER TABLE movies RENAME TO movies_away").execute(pool).await.unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_outdated_answer_is_given_where_it_cannot_be_computed_anew_until_it_is_purged(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let before = app.get("/movies/550").await;
    lose_movies(&pool).await;
    let stale = eventually(&app, "/movies/550", |answer| answer.header("x-cache") == "STALE").await;
    assert_eq!((stale.status, &stale.bytes), (StatusCode::OK, &before.bytes));
    assert_eq!(app.get("/movies/603").await.status, 500);
    let purged =
        Answer::of(app.request(reqwest::Method::DELETE, "/admin/cache?family=movies").header("X-API-Key", ADMIN_KEY))
            .await;
    assert_eq!((&purged.ok()["families"], &purged.ok()["removed"]), (&serde_json::json!(["movies"]), &1.into()));
    assert_eq!(app.get("/movies/550").await.status, 500);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn purging_reaches_the_other_process_and_asks_for_the_key_and_a_family_there_is(pool: PgPool) {
    fixture::small(&pool).await;
    let settings = settings(&pool);
    let (one, other) = (TestApp::run(settings.clone()).await, TestApp::run(settings).await);
    other.get("/movies/550").await;
    other.get("/search?q=matrix").await;
    assert_eq!(Answer::of(one.request(reqwest::Method::DELETE, "/admin/cache")).await.status, 401);
    let delete = |path: &str| one.request(reqwest::Method::DELETE, path).header("X-API-Key", ADMIN_KEY);
    assert_eq!(Answer::of(delete("/admin/cache?family=comics")).await.problem().2, "family");
    // Again and again, since the first may overtake the answer on its way into Redis.
    test_support::eventually("the other process computes again", Duration::from_secs(10), async || {
        Answer::of(delete("/admin/cache?family=movies")).await.ok();
        (other.get("/movies/550").await.header("x-cache") == "MISS").then_some(())
    })
    .await;
    assert_eq!(other.get("/search?q=matrix").await.header("x-cache"), "HIT");
    one.stop().await;
    other.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_is_asked_most_is_there_before_anybody_asks_after_a_run(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for _ in 0..4 {
        app.get("/movies/trending").await.ok();
    }
    publish(&pool, today() + TimeDelta::days(1), &[289]).await;
    // Not asked meanwhile: asking would compute it.
    test_support::eventually("the ranking is warmed", Duration::from_secs(20), async || {
        let warmed = "cache_warmed_total{family=\"trending\"} 1";
        app.get("/metrics").await.text().contains(warmed).then_some(())
    })
    .await;
    let warm = app.get("/movies/trending").await;
    assert_eq!((warm.header("x-cache"), titles(&warm.json())), ("HIT", vec!["Casablanca"]));
    app.stop().await;
}

fn with_redis_at(pool: &PgPool, address: &str) -> ApiSettings {
    let mut settings = settings(pool);
    settings.cache.url = SecretString::from(format!("redis://{address}"));
    settings
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_redis_the_process_caches_alone(pool: PgPool) {
    fixture::small(&pool).await;
    let app = TestApp::run(with_redis_at(&pool, NOWHERE)).await;
    assert_eq!(app.get("/movies/550").await.header("x-cache"), "MISS");
    assert_eq!(app.get("/movies/550").await.header("x-cache"), "HIT");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_redis_that_takes_connections_and_never_answers_does_not_hang_requests(pool: PgPool) {
    fixture::small(&pool).await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let app = TestApp::run(with_redis_at(&pool, &silent.local_addr().unwrap().to_string())).await;
    for id in [550, 603, 238, 240] {
        let answer = tokio::time::timeout(Duration::from_secs(10), app.get(&format!("/movies/{id}"))).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("x-cache")), (200, "MISS"));
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_family_with_no_time_to_live_is_never_cached(pool: PgPool) {
    fixture::small(&pool).await;
    let mut settings = settings(&pool);
    settings.cache.ttl.retain(|(family, _)| *family != CacheFamily::Movies);
    settings.cache.ttl.push((CacheFamily::Movies, Duration::ZERO));
    let app = TestApp::run(settings).await;
    for _ in 0..2 {
        let answer = app.get("/movies/550").await;
        assert_eq!((answer.header("x-cache"), answer.header("cache-control")), ("BYPASS", "no-cache"));
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_is_cached_is_served_while_the_database_is_away(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let before = app.get("/movies/550").await;
    sqlx::query("ALTER TABLE movies RENAME TO movies_away").execute(&pool).await.unwrap();
    let cached = app.get("/movies/550").await;
    assert_eq!((cached.header("x-cache"), &cached.bytes), ("HIT", &before.bytes));
    let lost = app.get("/movies/603").await;
    assert_eq!(lost.problem(), (500, "internal_error".into(), String::new()));
    assert!(!lost.text().contains("movies_away") && !lost.text().contains("relation"), "{}", lost.text());
    app.stop().await;
}
