//! What trends in the last hours.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use domain::events::{EventType, Observation};
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use settings::ApiSettings;
use sqlx::{Connection, PgPool};
use storage::cache::RedisCache;
use storage::postgres::catalogue;
use storage::postgres::speed::{self, MicroBatch};
use test_support::fixture::{self, movie_id};
use test_support::{eventually, live};

use crate::app::{NOWHERE, TestApp, settings, settings_for};
use crate::sse::Reader;

/// Viewers rate a movie within this hour, and what the worker makes of it is in the database.
async fn rate(pool: &PgPool, movie: i64, times: usize) {
    let events = (0..times).map(|_| live::event(movie, EventType::Rating, Utc::now())).collect();
    live::apply(pool, &MicroBatch { events, reviews: Vec::new() }).await.unwrap();
}

/// Asks, past the cache, until the answer is as wished.
async fn until(app: &TestApp, path: &str, wish: impl Fn(&Value) -> bool) -> Value {
    test_support::eventually(path, Duration::from_secs(20), async || {
        let body = app.get_with(path, "Cache-Control", "no-cache").await.ok();
        if wish(&body) { Ok(body) } else { Err(body) }
    })
    .await
}

fn ranked(body: &Value) -> Vec<i64> {
    body["trending_movies"].as_array().unwrap().iter().map(|item| item["movie_id"].as_i64().unwrap()).collect()
}

/// Seed 1, section 3.2: `GET /api/v1/trending/movies`. Fight Club was observed twice, Amélie was rated by a viewer.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_last_hours_have_the_seeds_body(pool: PgPool) {
    fixture::small(&pool).await;
    let now = Utc::now();
    let seen = |hours, popularity, vote_average, vote_count| Observation {
        movie_id: movie_id(550),
        observed_at: now - TimeDelta::hours(hours),
        popularity,
        vote_average,
        vote_count,
    };
    let mut conn = pool.acquire().await.unwrap();
    let observed = [seen(9, 10.0, 1.0, 1), seen(4, 80.0, 8.0, 1_000), seen(0, 90.0, 8.4, 1_200)];
    speed::record(&mut conn, &observed).await.unwrap();
    drop(conn);
    let rating = live::event(194, EventType::Rating, now);
    live::apply(&pool, &MicroBatch { events: vec![rating], reviews: Vec::new() }).await.unwrap();
    let app = TestApp::run(settings(&pool)).await;
    let body = app.get("/api/v1/trending/movies").await.ok();
    assert_json_snapshot!(body, { ".generated_at" => "[time]" });
    // 0.4·90 + 300·(0.4 / 4 h) + 2·8.4 + 0.01·(200 / 4 h)
    assert_eq!(body["trending_movies"][0]["trending_score"], 36.0 + 30.0 + 16.8 + 0.5);
    let romance = app.get("/api/v1/trending/movies?genre=romance&window=48h&limit=1").await.ok();
    assert_eq!((&romance["trending_movies"][0]["rank"], &romance["window"]), (&json!(1), &json!("48h")));
    assert_eq!(romance["trending_movies"][0]["title"], "Amélie");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_ranking_follows_events_and_the_catalogue_and_a_broken_link(pool: PgPool) {
    fixture::small(&pool).await;
    let app = TestApp::run(settings(&pool)).await;
    let path = "/api/v1/trending/movies?window=2";
    assert!(ranked(&app.get(path).await.ok()).is_empty());
    rate(&pool, 194, 3).await;
    until(&app, path, |body| ranked(body) == [194]).await;
    rate(&pool, 289, 1).await;
    let body = until(&app, path, |body| ranked(body).len() == 2).await;
    assert_eq!(body["trending_movies"][0]["vote_count"], 1_003);

    // An ingest takes a movie out and renames another.
    sqlx::query("UPDATE movies SET tombstoned_at = now() WHERE movie_id = 194").execute(&pool).await.unwrap();
    sqlx::query("UPDATE movies SET title = 'Everybody Comes to Rick''s' WHERE movie_id = 289")
        .execute(&pool)
        .await
        .unwrap();
    catalogue::published(&pool).await.unwrap();
    let body = until(&app, path, |body| ranked(body) == [289]).await;
    assert_eq!(body["trending_movies"][0]["title"], "Everybody Comes to Rick's");

    // What is said while the link is broken is not heard, and found all the same.
    let database = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    sqlx::query(database).execute(&pool).await.unwrap();
    rate(&pool, 603, 5).await;
    until(&app, path, |body| ranked(body) == [603, 289]).await;
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_is_cached_of_the_ranking_follows_too(pool: PgPool) {
    fixture::small(&pool).await;
    let app = TestApp::run(settings(&pool)).await;
    let path = "/api/v1/trending/movies";
    assert!(ranked(&app.get(path).await.ok()).is_empty());
    // Old enough to be computed anew as soon as the event is heard of, which is before the movie has been read again.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    rate(&pool, 194, 1).await;
    test_support::eventually("the cached ranking is replaced", Duration::from_secs(20), async || {
        (!ranked(&app.get(path).await.ok()).is_empty()).then_some(())
    })
    .await;
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_ranking_outlives_the_database_and_waits_for_it_at_the_start(pool: PgPool) {
    fixture::small(&pool).await;
    rate(&pool, 194, 3).await;
    let mut settings = settings(&pool);
    settings.database.acquire_timeout = Duration::from_millis(300);
    settings.cache.ttl.iter_mut().for_each(|(_, ttl)| *ttl = Duration::ZERO);
    let app = TestApp::run(settings).await;
    until(&app, "/api/v1/trending/movies?window=48", |body| ranked(body) == [194]).await;

    // Through another database, since nobody can shut the one he is in.
    let options = pool.connect_options().as_ref().clone();
    let name = options.get_database().unwrap().to_owned();
    pool.close().await;
    let mut server = sqlx::PgConnection::connect_with(&options.database("postgres")).await.unwrap();
    let allow = |allow: bool| sqlx::AssertSqlSafe(format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS {allow}"));
    sqlx::query(allow(false)).execute(&mut server).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(&name)
        .execute(&mut server)
        .await
        .unwrap();
    assert_eq!(app.get("/health/ready").await.status, 503);
    assert_eq!(ranked(&app.get("/api/v1/trending/movies?genre=romance&window=9").await.ok()), [194]);
    sqlx::query(allow(true)).execute(&mut server).await.unwrap();
    app.stop().await;

    let app = TestApp::run(settings_for(format!("postgres://u:p@{NOWHERE}/d"))).await;
    let answer = app.get("/api/v1/trending/movies").await;
    assert_eq!((answer.problem().0, answer.problem().1.as_str()), (503, "not_ready"));
    assert_eq!(answer.header("retry-after"), "2");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn explained_it_says_what_it_is_made_of_and_that_events_wait(pool: PgPool) {
    fixture::small(&pool).await;
    rate(&pool, 194, 3).await;
    let mut settings = settings(&pool);
    settings.speed_lag_limit = Duration::from_millis(10);
    let log = live::log(&settings.redis.prefix, 100);
    let app = TestApp::run(settings).await;
    let path = "/api/v1/trending/movies?explain=true";
    let body = until(&app, path, |body| ranked(body) == [194]).await;
    assert_eq!((&body["stale"], &body["provenance"]["lag_seconds"]), (&json!([]), &json!(0.0)));
    assert_json_snapshot!(body["provenance"], {
        ".since" => "[hour]", ".first_hour" => "[hour]", ".last_hour" => "[hour]",
        ".loaded_at" => "[time]", ".last_change" => "[time]",
    });
    assert!(app.get("/api/v1/trending/movies").await.ok().get("provenance").is_none());
    log.append(&live::facts(1, 1, Utc::now())).await.unwrap();
    let body = until(&app, path, |body| body["stale"] == json!(["speed"])).await;
    assert!(body["provenance"]["lag_seconds"].as_f64().unwrap() > 0.01);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_stream_begins_with_the_ranking_and_tells_its_changes_until_the_server_stops(pool: PgPool) {
    fixture::small(&pool).await;
    rate(&pool, 194, 2).await;
    rate(&pool, 289, 1).await;
    let app = TestApp::run(settings(&pool)).await;
    let mut reader = Reader::open(&app, "/api/v1/trending/stream?limit=2&window=3h").await;
    let header = |name: &str| reader.response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!((header("content-encoding"), header("x-accel-buffering")), ("identity".into(), "no".into()));
    assert_eq!(header("cache-control"), "no-store");
    let (name, first, ranking) = reader.next().await.unwrap();
    assert_eq!((name.as_str(), ranked(&ranking)), ("ranking", vec![194, 289]));
    assert_eq!((&ranking["window"], &ranking["trending_movies"][1]["title"]), (&json!("3h"), &json!("Casablanca")));

    // Of the changes only those within the reader's two ranks, and none where only scores have changed.
    let mut comedies = Reader::open(&app, "/api/v1/trending/stream?genre=COMEDY").await;
    assert_eq!(ranked(&comedies.next().await.unwrap().2), [194]);
    rate(&pool, 194, 1).await;
    rate(&pool, 603, 9).await;
    let (name, id, change) = reader.next().await.unwrap();
    assert!(name == "change" && id > first, "{name} {id}");
    let ranks: Vec<_> = change["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["movie_id"].clone(), c["rank"].clone(), c["previous_rank"].clone()))
        .collect();
    assert_eq!(
        ranks,
        [(json!(603), json!(1), json!(null)), (json!(194), json!(2), json!(1)), (json!(289), json!(null), json!(2)),]
    );

    // An answer without an end must not keep the server from ending.
    let stopping = Instant::now();
    let (_, end, quiet) = tokio::join!(app.stop(), reader.next(), comedies.next());
    assert!(end.is_none() && quiet.is_none(), "{end:?} {quiet:?}");
    assert!(stopping.elapsed() < Duration::from_secs(20));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_client_has_its_own_streams_and_cannot_lock_others_out(pool: PgPool) {
    fixture::small(&pool).await;
    let settings = ApiSettings { client_header: Some("X-Forwarded-For".into()), ..settings(&pool) };
    let limit = settings.streams_per_client as u32;
    let app = TestApp::run(settings).await;
    let path = |window: u32| format!("/api/v1/trending/stream?window={window}");
    let open = async |client: u32, window: u32| {
        let request = app.request(reqwest::Method::GET, &path(window % 48 + 1));
        request.header("X-Forwarded-For", format!("9.9.9.9, 10.0.0.{client}")).send().await.unwrap()
    };
    let mut streams = Vec::new();
    // Forty-eight rankings, of three clients.
    for number in 0..3 * limit {
        streams.push(open(number / limit, number).await);
    }
    assert!(streams.iter().all(|stream| stream.status() == 200));
    let refused = app.get_with(&path(1), "X-Forwarded-For", "10.0.0.0").await;
    assert_eq!((refused.problem().0, refused.problem().1.as_str()), (429, "too_many_streams_of_client"));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(open(7, 7).await.status(), 200, "another client has places of its own");
    // Who closes one may open another, once the server has noticed.
    streams.drain(..limit as usize);
    eventually("the place is free", Duration::from_secs(40), async || (open(0, 5).await.status() == 200).then_some(()))
        .await;
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn rankings_are_of_genres_that_movies_have(pool: PgPool) {
    fixture::small(&pool).await;
    rate(&pool, 194, 2).await;
    let app = TestApp::run(settings(&pool)).await;
    for path in ["/api/v1/trending/movies?genre=Dram4", "/api/v1/trending/stream?genre=Dram4"] {
        let answer = app.get(path).await;
        assert_eq!(answer.problem(), (404, "not_found".into(), "genre".into()), "{path}");
    }
    assert_eq!(ranked(&app.get("/api/v1/trending/movies?genre=COMEDY").await.ok()), [194]);
    assert_eq!(
        ranked(&app.get("/api/v1/trending/movies?genre=action").await.ok()),
        Vec::<i64>::new(),
        "none is active"
    );
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn after_a_start_the_last_ranking_is_given_from_the_shared_cache_while_the_movies_are_read(pool: PgPool) {
    fixture::small(&pool).await;
    rate(&pool, 194, 2).await;
    let settings = settings(&pool);
    let path = "/api/v1/trending/movies";
    let app = TestApp::run(settings.clone()).await;
    assert_eq!(ranked(&app.get(path).await.ok()), [194]);
    // The next one comes from memory or, once it is written, from the shared cache.
    let cache = RedisCache::new(&settings.cache.url, &settings.cache.prefix).unwrap();
    let written = format!("{}:trending:trending-now?limit=20&window=6h", env!("CARGO_PKG_VERSION"));
    eventually("the ranking is in the shared cache", Duration::from_secs(10), async || {
        cache.get(&written).await.unwrap()
    })
    .await;
    app.stop().await;

    // The movies cannot be read for as long as somebody holds this lock.
    let mut reading = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE speed_observations IN ACCESS EXCLUSIVE MODE").execute(&mut *reading).await.unwrap();
    let app = TestApp::run(settings).await;
    // Changes were missed meanwhile, so no cached answer counts as current.
    let answer = eventually("it is given as an old one", Duration::from_secs(10), async || {
        let asked = Instant::now();
        let answer = app.get(path).await;
        assert!(asked.elapsed() < Duration::from_secs(2), "it waited for the movies: {:?}", asked.elapsed());
        (answer.header("x-cache") == "STALE").then_some(answer)
    })
    .await;
    assert_eq!(ranked(&answer.ok()), [194]);
    assert!(answer.header("age").parse::<u64>().is_ok(), "its age is told");
    assert!(answer.json()["generated_at"].is_string());
    reading.rollback().await.unwrap();
    rate(&pool, 603, 9).await;
    eventually("the movies are read", Duration::from_secs(20), async || {
        (ranked(&app.get(path).await.ok()) == [603, 194]).then_some(())
    })
    .await;
    app.stop().await;
}
