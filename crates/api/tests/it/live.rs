//! What trends in the last hours.

use chrono::{TimeDelta, Utc};
use domain::events::{EventType, Observation};
use insta::assert_json_snapshot;
use serde_json::json;
use sqlx::PgPool;
use storage::postgres::speed::{self, Batch};
use test_support::live;
use test_support::world::{self, movie_id};

use crate::app::{TestApp, settings};

/// Seed 1, section 3.2: `GET /api/v1/trending/movies`. Fight Club was observed twice, Amélie was rated by a viewer.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_last_hours_have_the_seeds_body(pool: PgPool) {
    world::small(&pool).await;
    let now = Utc::now();
    let seen = |hours, popularity, vote_average, vote_count| Observation {
        movie_id: movie_id(550),
        observed_at: now - TimeDelta::hours(hours),
        popularity,
        vote_average,
        vote_count,
    };
    let mut conn = pool.acquire().await.unwrap();
    let observed = [seen(9, 10.0, 1.0, 1), seen(4, 80.0, 8.0, 1_000), seen(0, 90.0, 8.4, 1_200)];
    speed::record(&mut conn, &observed).await.unwrap();
    drop(conn);
    let rating = live::event(194, EventType::Rating, now);
    speed::apply(&pool, &Batch { events: vec![rating], reviews: Vec::new() }).await.unwrap();
    let app = TestApp::run(settings(&pool)).await;
    let body = app.get("/api/v1/trending/movies").await.ok();
    assert_json_snapshot!(body, { ".generated_at" => "[time]" });
    // 0.4·90 + 300·(0.4 / 4 h) + 2·8.4 + 0.01·(200 / 4 h)
    assert_eq!(body["trending_movies"][0]["trending_score"], 36.0 + 30.0 + 16.8 + 0.5);
    let romance = app.get("/api/v1/trending/movies?genre=romance&window=48h&limit=1").await.ok();
    assert_eq!((&romance["trending_movies"][0]["rank"], &romance["window"]), (&json!(1), &json!("48h")));
    assert_eq!(romance["trending_movies"][0]["title"], "Amélie");
    app.stop().await;
}
