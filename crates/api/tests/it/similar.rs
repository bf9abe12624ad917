use insta::assert_json_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::app::TestApp;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn similar_titles_are_listed_most_similar_first(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let similar = app.get("/api/v1/movies/238/similar").await;
    assert_json_snapshot!(similar.ok(), { ".run_id" => "[run]", ".items[].score" => insta::rounded_redaction(3) });
    assert_eq!(app.get("/api/v1/recommendations/movies/238").await.bytes, similar.bytes);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_without_similar_titles_has_an_empty_list_and_an_unknown_one_is_404(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    assert_eq!(app.get("/movies/289/similar").await.ok()["items"], json!([]));
    assert_eq!(app.get("/movies/999/similar").await.problem(), (404, "not_found".into(), "id".into()));
    app.stop().await;
}
