//! Answers from batch views.

use chrono::TimeDelta;
use domain::PersonId;
use domain::ingest::{Record, Source};
use domain::movies::{CastMember, Person};
use insta::assert_json_snapshot;
use serde_json::json;
use sqlx::PgPool;
use storage::postgres::catalogue;
use test_support::{batch, fixture};

use crate::app::{TestApp, settings, titles};

async fn app(pool: &PgPool) -> TestApp {
    fixture::small(pool).await;
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
    let movie = app.get("/api/v1/predictions/movies/550").await.ok();
    assert_eq!((movie["predictions"].as_array().unwrap().len(), &movie["accuracy"][0]["skill"]), (14, &json!(0.5)));
    assert_eq!(movie["predictions"][0]["popularity"], 71.0);
    assert_eq!(app.get("/api/v1/predictions/movies/999").await.problem().0, 404);
    app.stop().await;
}

/// A movie with these leads.
pub async fn movie(pool: &PgPool, id: i64, rating: f64, leads: &[(i64, &str)]) {
    let mut movie = fixture::movie(id, "Heat", (1995, 12, 15), &["Crime"], 10.0, rating);
    movie.vote_count = if rating > 0.0 { 10 } else { 0 };
    let lead = |(position, (id, name)): (i32, &(i64, &str))| CastMember {
        person: Person { id: PersonId::new(*id).unwrap(), name: (*name).to_owned() },
        character: None,
        position,
    };
    movie.credits.cast = (0..).zip(leads).map(lead).collect();
    let mut tx = pool.begin().await.unwrap();
    catalogue::write(&mut tx, Source::Demo, vec![Record::Movie(Box::new(movie))]).await.unwrap();
    tx.commit().await.unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn collaborators_are_listed_with_the_most_movies_together_first(pool: PgPool) {
    fixture::small(&pool).await;
    let (pacino, de_niro, kilmer) = ((1158, "Al Pacino"), (380, "Robert De Niro"), (5576, "Val Kilmer"));
    movie(&pool, 949, 8.0, &[pacino, de_niro, kilmer]).await;
    movie(&pool, 950, 0.0, &[de_niro, pacino]).await;
    let app = TestApp::run(settings(&pool)).await;
    let path = "/api/v1/analytics/actors/1158/collaborators";
    assert_eq!(app.get(path).await.problem().1, "not_computed");
    batch::actor_collaboration(&pool).await;
    assert_json_snapshot!(app.get(path).await.ok(), { ".run_id" => "[run]" });
    let second = app.get(&format!("{path}?limit=1&offset=1")).await.ok();
    assert_eq!((&second["items"][0]["name"], &second["total"]), (&json!("Val Kilmer"), &json!(2)));
    let alone = app.get("/api/v1/analytics/actors/6384/collaborators").await.ok();
    assert_eq!((&alone["items"], &alone["person"]["name"]), (&json!([]), &json!("Keanu Reeves")));
    let nobody = app.get("/api/v1/analytics/actors/999/collaborators").await;
    assert_eq!(nobody.problem(), (404, "not_found".into(), "id".into()));
    assert_eq!(app.get("/api/v1/analytics/actors/x/collaborators").await.problem().2, "id");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_artifact_can_be_asked_for_as_of_a_day(pool: PgPool) {
    fixture::catalogue(&pool).await;
    movie(&pool, 949, 8.0, &[(1158, "Al Pacino"), (380, "Robert De Niro")]).await;
    fixture::artifacts(&pool).await;
    batch::views(&pool).await;
    // The first runs become those of three days before the second ones.
    sqlx::query("UPDATE artifact_runs SET as_of = as_of - 3").execute(&pool).await.unwrap();
    fixture::artifacts(&pool).await;
    batch::views(&pool).await;
    let app = TestApp::run(settings(&pool)).await;
    let today = fixture::today();
    for path in [
        "/movies/trending?limit=1",
        "/trending/daily?limit=1",
        "/analytics/top-genres?limit=1",
        "/analytics/ratings-by-decade?limit=1",
        "/analytics/genre/drama?year=1999",
        "/analytics/trends?metric=rating",
        "/analytics/actors/1158/collaborators?limit=1",
        "/movies/550/similar?limit=1",
        "/recommendations/movies/550?limit=1",
        "/predictions/trending?limit=1",
        "/predictions/movies/550?limit=1",
    ] {
        let as_of = async |day| app.get(&format!("/api/v1{path}&as_of={day}")).await;
        let newest = app.get(&format!("/api/v1{path}")).await.ok();
        assert_eq!(newest["as_of"], json!(today), "{path}");
        for (day, run) in [(today, 0), (today + TimeDelta::days(9), 0), (today - TimeDelta::days(1), 3)] {
            let body = as_of(day).await.ok();
            assert_eq!(body["as_of"], json!(today - TimeDelta::days(run)), "{path} as of {day}");
            assert_eq!(body["run_id"] == newest["run_id"], run == 0, "{path} as of {day}");
        }
        let none = as_of(today - TimeDelta::days(4)).await;
        assert_eq!(none.problem(), (404, "not_found".into(), "as_of".into()), "{path}");
    }
    app.stop().await;
}
