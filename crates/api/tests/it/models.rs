//! The registry of models: shown, promoted, rolled back.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, settings};

async fn insert(pool: &PgPool, version: &str, state: &str, hour: i32) {
    sqlx::query(
        "INSERT INTO models (version, algorithm, state, parameters, fingerprint, viewers, movies, interactions, factors,
                             files, metrics, created_at, retired_at)
         VALUES ($1, 'blend', $2, '{}', 'abc', 10, 20, 30, 64, '[]',
                 '{\"verdict\": \"Yes: better than popularity.\", \"results\": {\"knn\": {}, \"popularity\": {}}}',
                 make_timestamptz(2026, 3, 1, $3, 0, 0, 'UTC'), CASE $2 WHEN 'retired' THEN now() END)",
    )
    .bind(version)
    .bind(state)
    .bind(hour)
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn operators_see_whether_a_model_is_good_promote_it_and_go_back(pool: PgPool) {
    let app = TestApp::run(settings(&pool)).await;
    assert_eq!(app.admin_get("/admin/models").await.ok()["total"], 0);
    assert_eq!(app.admin_post("/admin/models/rollback", json!({})).await.status, 409);
    insert(&pool, "als_20260301_0100", "active", 1).await;
    insert(&pool, "als_20260301_0200", "refused", 2).await;

    let list = app.admin_get("/admin/models").await.ok();
    let versions: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["version"]).collect();
    assert_eq!(versions, ["als_20260301_0200", "als_20260301_0100"], "newest first");
    let shown = app.admin_get("/admin/models/als_20260301_0100").await.ok();
    assert_eq!((&shown["state"], &shown["algorithm"]), (&json!("active"), &json!("blend")));
    assert_eq!(shown["verdict"], "Yes: better than popularity.");
    assert!(shown["metrics"]["results"]["knn"].is_object(), "{shown}");
    assert_eq!(app.admin_get("/admin/models/als_1").await.problem().0, 404);
    assert_eq!(app.admin_post("/admin/models/als_1/promote", json!({})).await.status, 404);

    let promoted = app.admin_post("/admin/models/als_20260301_0200/promote", json!({})).await.ok();
    assert_eq!((&promoted["active"], &promoted["before"]), (&json!("als_20260301_0200"), &json!("als_20260301_0100")));
    let job = promoted["job_id"].as_str().unwrap();
    let job = app.admin_get(&format!("/admin/jobs/{job}")).await.ok();
    assert_eq!(job["kind"], "generate-recommendations", "the lists follow");
    let again = app.admin_post("/admin/models/als_20260301_0200/promote", json!({})).await.ok();
    assert_eq!(again["job_id"], Value::Null);

    let back = app.admin_post("/admin/models/rollback", json!({})).await.ok();
    assert_eq!(back["active"], "als_20260301_0100");
    let forth = app.admin_post("/admin/models/rollback", json!({})).await.ok();
    assert_eq!(forth["active"], "als_20260301_0200");
    app.stop().await;
}
