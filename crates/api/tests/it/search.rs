use insta::assert_json_snapshot;
use sqlx::PgPool;

use crate::app::{TestApp, titles};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_typing_error_finds_the_movie(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let body = app.get("/api/v1/search?q=godfahter&limit=1").await.ok();
    assert_json_snapshot!(body, { ".observed_at" => "[time]" });
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn filters_narrow_the_hits(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for (query, expected) in [
        ("q=matrix", &["The Matrix", "The Matrix Reloaded"][..]),
        ("q=matrix&min_rating=7.5", &["The Matrix"]),
        ("q=matrix&year=2003", &["The Matrix Reloaded"]),
        ("q=AMELIE", &["Amélie"]),
        ("genre=crime", &["The Godfather", "The Godfather Part II"]),
        ("q=matrix&genre=romance", &[]),
    ] {
        assert_eq!(titles(&app.get(&format!("/search?{query}")).await.ok()), expected, "{query}");
    }
    app.stop().await;
}

/// Seed 1, section 3.4: `GET /api/v1/search/movies`.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn movies_are_found_by_every_filter_in_every_order(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for (query, expected) in [
        ("q=matrix&rating_min=7.5&genre=Action", &["The Matrix"][..]),
        ("q=matrix&sort_by=release_date", &["The Matrix Reloaded", "The Matrix"]),
        ("q=matrix&rating_max=7.5", &["The Matrix Reloaded"]),
        ("year_from=1999&year_to=1999&sort_by=rating", &["Fight Club", "The Matrix"]),
        ("genre=crime&limit=1&offset=1", &["The Godfather Part II"]),
        ("q=matrix&sort_by=relevance&limit=1", &["The Matrix"]),
        ("q=nothing+like+it", &[]),
    ] {
        let body = app.get(&format!("/api/v1/search/movies?{query}")).await.ok();
        let titles: Vec<_> = body["results"].as_array().unwrap().iter().map(|movie| movie["title"].clone()).collect();
        assert_eq!(titles, expected, "{query}");
    }
    let found = app.get("/api/v1/search/movies?q=godfather+2").await.ok();
    assert_eq!(
        (&found["results"][0]["title"], &found["sort_by"]),
        (&"The Godfather Part II".into(), &"relevance".into())
    );
    let page = app.get("/api/v1/search/movies?limit=3&offset=3").await.ok();
    assert_eq!((&page["page"], &page["total"], &page["sort_by"]), (&2.into(), &8.into(), &"popularity".into()));
    for (query, field) in [
        ("rating_min=8&rating_max=7", "rating_max"),
        ("year_from=2000&year_to=1999", "year_to"),
        ("sort_by=title", "sort_by"),
        ("rating_min=x", "rating_min"),
    ] {
        assert_eq!(app.get(&format!("/api/v1/search/movies?{query}")).await.problem().2, field, "{query}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_empty_query_finds_every_movie_by_popularity(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for path in ["/search", "/search?q=", "/search?q=%20%20"] {
        let body = app.get(&format!("{path}{}limit=2", if path.contains('?') { '&' } else { '?' })).await.ok();
        assert_eq!((titles(&body), &body["total"]), (vec!["The Godfather", "The Matrix"], &8.into()), "{path}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_looks_like_syntax_is_only_text(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for q in ["'; DROP TABLE movies; --", "a & b | !c", "%", "\\", "(((", "😀", ":*", "<->"] {
        let answer = app.request(reqwest::Method::GET, "/search").query(&[("q", q)]);
        let body = crate::app::Answer::of(answer).await.ok();
        assert_eq!(body["query"], q);
    }
    assert_eq!(app.get("/search").await.ok()["total"], 8);
    app.stop().await;
}
