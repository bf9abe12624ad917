//! Answers from batch views.

use insta::assert_json_snapshot;
use serde_json::json;
use sqlx::PgPool;
use test_support::{batch, world};

use crate::app::{TestApp, settings, titles};

async fn app(pool: &PgPool) -> TestApp {
    world::small(pool).await;
    batch::views(pool).await;
    TestApp::run(settings(pool)).await
}

/// Seed 1, section 3.3: `GET /api/v1/analytics/genre/{genre}`.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_genre_has_the_seeds_body(pool: PgPool) {
    let app = app(&pool).await;
    assert_json_snapshot!(app.get("/api/v1/analytics/genre/drama?year=1999&month=10").await.ok(), { ".run_id" => "[run]" });
    let all = app.get("/api/v1/analytics/genre/Science%20Fiction").await.ok();
    assert_eq!((&all["statistics"]["total_movies"], all["top_movies"].as_array().unwrap().len()), (&json!(2), 2));
    let none = app.get("/api/v1/analytics/genre/drama?year=1900").await.ok();
    assert_eq!((&none["statistics"]["total_movies"], &none["statistics"]["avg_rating"]), (&json!(0), &json!(null)));
    assert_eq!(
        app.get("/api/v1/analytics/genre/telenovela").await.problem(),
        (404, "not_found".into(), "genre".into())
    );
    app.stop().await;
}

/// Seed 1, section 3.3: `GET /api/v1/analytics/trends`.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn trends_have_the_seeds_body(pool: PgPool) {
    let app = app(&pool).await;
    let body = app.get("/api/v1/analytics/trends?metric=popularity&window=3d&movie_id=550").await.ok();
    assert_json_snapshot!(body, { ".run_id" => "[run]" });
    let genre = app.get("/api/v1/analytics/trends?metric=rating&genre=drama").await.ok();
    assert_eq!((&genre["genre"], genre["data_points"].as_array().unwrap().len()), (&json!("Drama"), 8));
    let unknown = app.get("/api/v1/analytics/trends?metric=rating&movie_id=999").await;
    assert_eq!(unknown.problem(), (404, "not_found".into(), "movie_id".into()));
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn forecasts_say_how_good_they_have_been(pool: PgPool) {
    let app = app(&pool).await;
    assert_json_snapshot!(app.get("/api/v1/predictions/trending?horizon=3&limit=1").await.ok(), { ".run_id" => "[run]" });
    assert_eq!(titles(&app.get("/api/v1/predictions/trending?genre=romance").await.ok()), ["Amélie", "Casablanca"]);
    let film = app.get("/api/v1/predictions/movies/550").await.ok();
    assert_eq!((film["predictions"].as_array().unwrap().len(), &film["accuracy"][0]["skill"]), (14, &json!(0.5)));
    assert_eq!(film["predictions"][0]["popularity"], 71.0);
    assert_eq!(app.get("/api/v1/predictions/movies/999").await.problem().0, 404);
    app.stop().await;
}
