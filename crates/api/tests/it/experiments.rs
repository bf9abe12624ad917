//! Experiments and feedback, in an operator's hands.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::TestApp;

fn halves() -> Value {
    json!({"variants": [{"name": "control"}, {"name": "new", "settings": {"batch_share": 0.5}}]})
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_experiment_is_started_shown_and_ended(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let put = async |name: &str, body: Value| app.admin_put(&format!("/api/v1/admin/experiments/{name}"), body).await;
    for (name, refused) in [
        ("e1", json!({})),
        ("e1", json!({"variants": [{"name": "control"}]})),
        ("e1", json!({"variants": [{"name": "control"}, {"name": "new", "settings": {"batch_share": 2}}]})),
        ("e1", json!({"variants": [{"name": "control"}, {"name": "new", "settings": {"model": "x"}}]})),
        ("E%201", halves()),
    ] {
        assert_eq!(put(name, refused.clone()).await.problem().0, 400, "{name} {refused}");
    }
    let started = put("e1", halves()).await.ok();
    assert_eq!(
        (&started["status"], &started["variants"][1]["settings"]),
        (&json!("running"), &json!({"batch_share": 0.5}))
    );
    assert_eq!(started["verdict"], "new: too few viewers with feedback.");
    assert_eq!(put("e2", halves()).await.problem().0, 409);
    assert_eq!(app.admin_get("/api/v1/admin/experiments").await.ok()["total"], 1);
    assert_eq!(app.admin_get("/api/v1/admin/experiments/none").await.problem().0, 404);
    let ended = app.admin_post("/api/v1/admin/experiments/e1/end", json!({})).await.ok();
    assert_eq!(ended["status"], "ended");
    assert_eq!(put("e2", halves()).await.ok()["status"], "running");
    assert_eq!(app.get("/api/v1/admin/experiments").await.status, 401);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn feedback_is_grouped_as_asked(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let body = app.admin_get("/api/v1/admin/feedback?by=position&days=30").await.ok();
    assert_eq!((&body["items"], &body["by"]), (&json!([]), &json!("position")));
    for refused in ["days=0", "days=91", "by=colour"] {
        assert_eq!(app.admin_get(&format!("/api/v1/admin/feedback?{refused}")).await.problem().0, 400, "{refused}");
    }
    app.stop().await;
}
