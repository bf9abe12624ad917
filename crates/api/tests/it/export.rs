//! Lists as tables.

use std::collections::BTreeSet;

use chrono::Utc;
use domain::events::{EventType, Observation};
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::speed::{self, MicroBatch};
use test_support::fixture::{self, movie_id};
use test_support::{batch, live};

use crate::app::{ADMIN_KEY, Answer, TestApp, settings};

async fn app(pool: &PgPool) -> TestApp {
    fixture::small(pool).await;
    crate::batch::movie(pool, 949, 8.0, &[(1158, "Al Pacino"), (380, "Robert De Niro")]).await;
    batch::views(pool).await;
    let now = Utc::now();
    let reviews = vec![live::review(550, "A wonderful film, I loved it.", now)];
    live::apply(pool, &MicroBatch { events: vec![live::event(550, EventType::Rating, now)], reviews }).await.unwrap();
    let seen =
        Observation { movie_id: movie_id(550), observed_at: now, popularity: 9.0, vote_average: 8.0, vote_count: 100 };
    speed::record(&mut pool.acquire().await.unwrap(), &[seen]).await.unwrap();
    let app = TestApp::run(settings(pool)).await;
    app.admin_post("/admin/compute/trending", Value::Null).await;
    app
}

async fn get(app: &TestApp, path: &str) -> Answer {
    Answer::of(app.request(reqwest::Method::GET, path).header("X-API-Key", ADMIN_KEY)).await
}

/// The array of objects in a body.
fn rows(body: &Value) -> &Vec<Value> {
    let lists = ["items", "results", "trending_movies", "top_movies", "data_points", "breakdown", "predictions"];
    lists.iter().find_map(|name| body[*name].as_array()).unwrap_or_else(|| panic!("no list: {body}"))
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn every_list_is_to_be_had_as_a_table_with_all_its_fields(pool: PgPool) {
    let app = app(&pool).await;
    for endpoint in api::endpoints::endpoints().iter().filter(|endpoint| endpoint.is_table) {
        let path = endpoint.paths().swap_remove(0);
        let id = match path.as_str() {
            path if path.ends_with("/similar") || path.contains("/recommendations/") => "603",
            path if path.ends_with("/collaborators") => "1158",
            _ => "550",
        };
        let path = path.replace("{id}", id).replace("{genre}", "drama");
        let asked = |query: &str| {
            let metric = if path.ends_with("/trends") { "&metric=rating" } else { "" };
            format!("{path}?{query}{metric}")
        };
        let json = get(&app, &asked("limit=5")).await.ok();
        let rows = rows(&json);
        assert!(!rows.is_empty(), "{path}: nothing to compare");
        // `task_id` is a second name of `job_id`.
        let fields: BTreeSet<_> = rows[0].as_object().unwrap().keys().filter(|name| *name != "task_id").collect();

        let csv = get(&app, &asked("format=csv&limit=5")).await;
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present", "{path}: {}", csv.text());
        assert!(csv.header("content-disposition").ends_with(".csv\""), "{}", csv.header("content-disposition"));
        let mut reader = csv::Reader::from_reader(&csv.bytes[..]);
        let columns: BTreeSet<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(columns.iter().collect::<BTreeSet<_>>(), fields, "{path}");
        assert_eq!(reader.records().map(Result::unwrap).count(), rows.len(), "{path}");

        let ndjson = Answer::of(
            app.request(reqwest::Method::GET, &asked("limit=5"))
                .header("X-API-Key", ADMIN_KEY)
                .header("Accept", "application/x-ndjson"),
        )
        .await;
        let lines: Vec<Value> = ndjson.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), rows.len(), "{path}");
        assert!(ndjson.header("vary").contains("accept,"));
    }
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_table_holds_the_whole_list_however_long(pool: PgPool) {
    fixture::small(&pool).await;
    sqlx::query(
        "INSERT INTO movies (movie_id, title, source, genres) SELECT 10000 + n, 'Movie, \"' || n || '\"', 'demo', '{Drama,War}'
         FROM generate_series(1, 2500) n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let app = TestApp::run(settings(&pool)).await;
    let all = app.get_with("/movies", "Accept", "text/csv").await;
    assert_eq!(all.header("cache-control"), "no-store");
    let movies: Vec<(i64, String)> = csv::Reader::from_reader(&all.bytes[..])
        .records()
        .map(|record| (record.as_ref().unwrap()[0].parse().unwrap(), record.unwrap()[1].to_owned()))
        .collect();
    assert_eq!(movies.len(), 2_508);
    assert!(movies.is_sorted_by(|a, b| a.0 < b.0), "each once, by id");
    assert_eq!(movies[2_507].1, "Movie, \"2500\"");
    let war = app.get("/movies?genre=War&format=ndjson").await.text();
    assert_eq!(war.lines().count(), app.get("/movies?genre=War").await.ok()["total"].as_u64().unwrap() as usize);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_is_no_list_or_no_format_is_refused_and_an_empty_list_has_its_header(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for path in ["/movies/550?format=csv", "/movies?format=xml", "/movies/999/similar?format=csv&limit=0"] {
        assert_eq!(app.get(path).await.problem().0, 400, "{path}");
    }
    assert_eq!(app.get("/movies/999/similar?format=csv").await.problem().0, 404);
    // A preference is not an order.
    app.get_with("/movies/550", "Accept", "text/csv").await.ok();
    let none = app.get("/search?q=nothing+like+it&format=csv").await.text();
    assert_eq!(
        none.trim_end(),
        "movie_id,title,release_date,genres,vote_average,vote_count,popularity,overview,poster_path"
    );
    app.stop().await;
}
