use std::collections::{BTreeSet, HashSet};

use serde_json::Value;
use sqlx::PgPool;

use crate::app::{TestApp, settings};

async fn document(app: &TestApp) -> Value {
    app.get("/openapi.json").await.ok()
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(m, op)| (path.as_str(), m.as_str(), op)))
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_description_lists_exactly_the_routers_paths(pool: PgPool) {
    let app = TestApp::run(settings(&pool)).await;
    let document = document(&app).await;
    let described: BTreeSet<_> =
        operations(&document).map(|(path, method, _)| (path.to_owned(), method.to_uppercase())).collect();
    let routed: BTreeSet<_> = api::endpoints::endpoints()
        .iter()
        .map(|endpoint| (endpoint.paths().swap_remove(0), endpoint.method().to_string()))
        .collect();
    assert_eq!(described, routed);
    for endpoint in api::endpoints::endpoints() {
        let paths = endpoint.paths();
        let operation = &document["paths"][&paths[0]][endpoint.method().as_str().to_lowercase()];
        assert_eq!(operation["x-also-at"].as_str(), paths.get(1).map(String::as_str), "{}", paths[0]);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_description_is_sound(pool: PgPool) {
    let app = TestApp::run(settings(&pool)).await;
    let document = document(&app).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = HashSet::new();
    for (path, method, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}: operationId is taken");
        assert!(operation["summary"].is_string(), "{path} has no summary");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.values().all(|response| response["description"].is_string()), "{path}: no description");
        let default = &responses["default"]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(default, "#/components/schemas/Problem", "{path}");
        let named: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let described: BTreeSet<&str> =
            parameters.iter().filter(|p| p["in"] == "path").map(|p| p["name"].as_str().unwrap()).collect();
        assert_eq!(described, named, "{method} {path}");
        let of_viewers = method == "delete" && path == "/api/v1/viewers/{user_id}"
            || path.ends_with("/export")
            || path.ends_with("/imports");
        let secured = path.starts_with("/api/v1/admin/") || of_viewers;
        assert_eq!(operation["security"].is_array(), secured, "{method} {path}");
    }
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["admin_bearer", "admin_key"]);
    for reference in references(&document) {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    app.stop().await;
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(text) if key == "$ref" => vec![text.as_str()],
                value => references(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_description_lists_the_computations_that_there_are(pool: PgPool) {
    let app = TestApp::run(settings(&pool)).await;
    let document = document(&app).await;
    let parameters = document["paths"]["/api/v1/admin/compute/{job}"]["post"]["parameters"].as_array().unwrap();
    let job = parameters.iter().find(|parameter| parameter["name"] == "job").unwrap();
    let names: Vec<&str> =
        job["schema"]["enum"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names.len(), domain::artifacts::Artifact::ALL.len() + 2, "the two chains as well: {names:?}");
    assert!(names.contains(&"genre-stats") && names.contains(&"all"), "{names:?}");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn both_pages_work_without_the_internet(pool: PgPool) {
    let assets = tempfile::tempdir().unwrap();
    std::fs::write(assets.path().join("redoc.standalone.js"), "/* redoc */").unwrap();
    let app = TestApp::run(settings::ApiSettings { assets_dir: assets.path().into(), ..settings(&pool) }).await;
    for page in ["/docs", "/redoc"] {
        let answer = app.get(page).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-security-policy").starts_with("default-src 'self'"));
        let html = answer.text();
        assert!(!html.contains("//"), "{page} names another host");
        let links: Vec<&str> = html.split(['"', '\'']).filter(|part| part.starts_with('/')).collect();
        assert!(links.len() >= 2, "{links:?}");
        for link in links {
            let file = app.get(link).await;
            assert_eq!((file.status.as_u16(), file.bytes.is_empty()), (200, false), "{page} needs {link}");
        }
    }
    assert_eq!(app.get("/docs/nothing.js").await.problem().1, "unknown_path");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_missing_redoc_script_says_how_to_get_it(pool: PgPool) {
    let app = TestApp::run(settings(&pool)).await;
    let answer = app.get("/redoc/redoc.standalone.js").await;
    assert_eq!(answer.problem().1, "redoc_missing");
    assert!(answer.text().contains("scripts/up.sh"));
    app.stop().await;
}
