use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::PgPool;
use test_support::{batch, fixture};

use crate::app::{TestApp, settings};
use crate::raw;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_bad_parameter_is_named_with_the_reason(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let long = "x".repeat(201);
    for (target, field) in [
        ("/movies?limit=0", "limit"),
        ("/movies?limit=101", "limit"),
        ("/movies?limit=abc", "limit"),
        ("/movies?limit=", "limit"),
        ("/movies?limit=99999999999999999999", "limit"),
        ("/movies?limit=1&limit=2", "limit"),
        ("/movies?offset=-1", "offset"),
        ("/movies?offset=100001", "offset"),
        ("/movies?genre=", "genre"),
        ("/movies?genre=%00", "genre"),
        ("/movies/abc", "id"),
        ("/movies/0", "id"),
        ("/movies/-5", "id"),
        ("/movies/+5", "id"),
        ("/movies/1.5", "id"),
        ("/movies/9223372036854775808", "id"),
        ("/movies/%00", "id"),
        ("/movies/%ff", "id"),
        ("/movies/9223372036854775808/similar", "id"),
        ("/movies/trending?date=yesterday", "date"),
        ("/movies/trending?date=2026-02-30", "date"),
        ("/movies/trending?as_of=2026-03-10&date=2026-03-10", "date"),
        ("/analytics/top-genres?as_of=yesterday", "as_of"),
        ("/movies/550?explain=maybe", "explain"),
        ("/analytics/top-genres?limit=-1", "limit"),
        ("/analytics/ratings-by-decade?offset=x", "offset"),
        ("/search?q=%ff%fe", "q"),
        ("/search?q=a%00b", "q"),
        (&format!("/search?q={long}"), "q"),
        ("/search?min_rating=11", "min_rating"),
        ("/search?min_rating=NaN", "min_rating"),
        ("/search?year=99999", "year"),
        ("/search?year=last", "year"),
        ("/search?q=a&q=b", "q"),
    ] {
        for prefix in ["", "/api/v1"] {
            let answer = app.get(&format!("{prefix}{target}")).await;
            assert_eq!(answer.problem(), (400, "invalid_parameter".into(), field.into()), "{prefix}{target}");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.starts_with(field) && detail.len() > field.len() + 5, "{detail}");
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_bad_parameter_of_live_answers_is_named_too(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for (target, field) in [
        ("/movies/550/sentiment?window=week", "window"),
        ("/movies/550/sentiment?explain=maybe", "explain"),
        ("/trending/movies?window=49", "window"),
        ("/trending/movies?window=0", "window"),
        ("/trending/movies?window=all", "window"),
        ("/analytics/genre/%20", "genre"),
        ("/analytics/genre/drama?month=13", "month"),
        ("/analytics/genre/drama?year=x", "year"),
        ("/analytics/trends", "metric"),
        ("/analytics/trends?metric=mood", "metric"),
        ("/analytics/trends?metric=rating&movie_id=x", "movie_id"),
        ("/analytics/trends?metric=rating&movie_id=1&genre=drama", "movie_id"),
        ("/predictions/trending?horizon=15", "horizon"),
        ("/predictions/movies/x", "id"),
    ] {
        let answer = app.get(&format!("/api/v1{target}")).await;
        assert_eq!(answer.problem(), (400, "invalid_parameter".into(), field.into()), "{target}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn overlong_requests_are_refused_and_nothing_hangs(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let long = |n: usize| vec![b'a'; n];
    assert_eq!(app.get(&format!("/search?q={}", "a".repeat(9_000))).await.problem().0, 414);
    assert_eq!(
        app.get(&format!("/movies/{}", "1".repeat(9_000))).await.problem(),
        (400, "invalid_parameter".into(), "id".into())
    );
    for size in [60_000, 70_000, 1_000_000] {
        let status = raw::status(&app.address, &[b"/search?q=", &long(size)[..]].concat()).await;
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{size}: {status:?}");
    }
    for bytes in [
        &b"\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /movies HTTP/9.9\r\n\r\n",
        b"GET /movies HTTP/1.1\r\nHost: x\r\nContent-Length: banana\r\n\r\n",
        b"POST /admin/compute/all HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{}",
        b"GET /movies\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let answer = raw::exchange_and_close(&app.address, bytes).await;
        assert!(!answer.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(app.get("/movies").await.status, 200);
    app.stop().await;
}

/// A value as attackers and broken clients send it: any bytes, percent-encoded or not.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let encoded = prop::collection::vec(any::<u8>(), 0..12)
        .prop_map(|bytes| bytes.iter().flat_map(|byte| format!("%{byte:02x}").into_bytes()).collect());
    let raw = prop::collection::vec(prop_oneof![0x21u8..0x7f, 0x80u8..=0xff], 0..24);
    let number = any::<i128>().prop_map(|number| number.to_string().into_bytes());
    prop_oneof![encoded, raw, number, "[ -~]{0,12}".prop_map(|text| text.replace(' ', "+").into_bytes())]
}

fn query() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "q",
        "limit",
        "offset",
        "genre",
        "year",
        "min_rating",
        "date",
        "kind",
        "window",
        "metric",
        "x",
        "",
    ]);
    let pair = (name, value()).prop_map(|(name, value)| [name.as_bytes(), b"=", &value].concat());
    prop::collection::vec(prop_oneof![3 => pair, 1 => value()], 0..4).prop_map(|parts| parts.join(&b'&'))
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "/movies",
        "/movies/trending",
        "/movies/550",
        "/movies/550/similar",
        "/search",
        "/analytics/top-genres",
        "/api/v1/analytics/ratings-by-decade",
        "/api/v1/trending/daily",
        "/api/v1/trending/movies",
        "/api/v1/movies/550/sentiment",
        "/api/v1/analytics/genre/drama",
        "/api/v1/analytics/trends",
        "/api/v1/predictions/trending",
        "/api/v1/recommendations/movies/238",
        "/docs/x",
    ])
    .prop_map(|path| path.as_bytes().to_vec());
    let odd = (prop::sample::select(vec!["/", "/movies/", "/api/v1/movies/", "/admin/jobs/", "/docs/"]), value())
        .prop_map(|(path, value)| [path.as_bytes(), &value].concat());
    (prop_oneof![2 => known, 1 => odd], query()).prop_map(|(path, query)| [&path[..], b"?", &query].concat())
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn no_path_or_query_makes_the_server_fail(pool: PgPool) {
    fixture::small(&pool).await;
    batch::views(&pool).await;
    let app = TestApp::run(settings(&pool)).await;
    let address = app.address.clone();
    let runtime = tokio::runtime::Handle::current();
    let outcome = tokio::task::spawn_blocking(move || {
        let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
        TestRunner::new(config).run(&target(), |target| {
            let status = runtime.block_on(raw::status(&address, &target));
            // No answer at all would be a crash of the connection.
            prop_assert!(
                status.is_some_and(|status| status < 500),
                "{:?}: {status:?}",
                String::from_utf8_lossy(&target)
            );
            Ok(())
        })
    });
    tokio::time::timeout(Duration::from_secs(120), outcome).await.unwrap().unwrap().unwrap();
    app.stop().await;
}
