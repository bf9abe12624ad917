use insta::assert_json_snapshot;
use sqlx::PgPool;

use crate::app::TestApp;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn genres_are_ranked_by_their_number_of_movies(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    assert_json_snapshot!(app.get("/api/v1/analytics/top-genres?limit=3").await.ok(), { ".run_id" => "[run]" });
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn decades_are_listed_oldest_first_and_can_be_paged(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let all = app.get("/api/v1/analytics/ratings-by-decade").await.ok();
    assert_json_snapshot!(all, { ".run_id" => "[run]" });
    let second = app.get("/api/v1/analytics/ratings-by-decade?limit=1&offset=1").await.ok();
    assert_eq!(second["items"][0], all["items"][1]);
    assert_eq!((&second["total"], second["items"].as_array().map(Vec::len)), (&all["total"], Some(1)));
    app.stop().await;
}
