use domain::movies::Movie;
use insta::assert_json_snapshot;
use serde_json::json;
use sqlx::PgPool;
use test_support::fixture;

use crate::app::{TestApp, titles};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn movies_are_listed_by_popularity(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    assert_json_snapshot!(app.get("/api/v1/movies?limit=2&offset=1").await.ok());
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_list_can_be_narrowed_to_a_genre_in_any_case(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let body = app.get("/api/v1/movies?genre=science%20fiction").await.ok();
    assert_eq!(titles(&body), ["The Matrix", "The Matrix Reloaded"]);
    assert_eq!(body["total"], 2);
    let nothing = app.get("/api/v1/movies?genre=telenovela").await.ok();
    assert_eq!((&nothing["items"], &nothing["total"]), (&json!([]), &json!(0)));
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_has_all_the_seeds_fields_and_more(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    assert_json_snapshot!(app.get("/api/v1/movies/238").await.ok(), { ".last_updated" => "[time]", ".cutoff" => "[time]" });
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_of_which_little_is_known_says_so_with_nulls(pool: PgPool) {
    let mut tx = pool.begin().await.unwrap();
    let movie = domain::ingest::Record::Movie(Box::new(Movie::titled(fixture::movie_id(77), "Memento")));
    storage::postgres::catalogue::write(&mut tx, domain::ingest::Source::Demo, vec![movie]).await.unwrap();
    tx.commit().await.unwrap();
    let app = TestApp::run(crate::app::settings(&pool)).await;
    assert_json_snapshot!(app.get("/api/v1/movies/77").await.ok(), { ".last_updated" => "[time]", ".cutoff" => "[time]" });
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_that_is_not_there_is_404(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let answer = app.get("/api/v1/movies/999").await;
    assert_eq!(answer.problem(), (404, "not_found".into(), "id".into()));
    assert_json_snapshot!(answer.json(), { ".request_id" => "[id]" });
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_tombstoned_movie_is_gone_from_list_and_page(pool: PgPool) {
    fixture::small(&pool).await;
    sqlx::query("UPDATE movies SET tombstoned_at = now() WHERE movie_id = 603").execute(&pool).await.unwrap();
    let app = TestApp::run(crate::app::settings(&pool)).await;
    assert_eq!(app.get("/movies/603").await.problem().0, 404);
    let body = app.get("/movies").await.ok();
    assert!(!titles(&body).contains(&"The Matrix") && body["total"] == 7, "{body}");
    app.stop().await;
}
