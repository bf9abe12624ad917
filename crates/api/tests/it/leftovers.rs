//! What could not be used: dead letters and quarantine, in an operator's hands.

use domain::ingest::{Quarantined, Source};
use serde_json::{Value, json};
use sqlx::PgPool;
use storage::event_log::LogEntry;
use storage::postgres::catalogue::quarantine;
use storage::postgres::facts::dead_letters;
use test_support::fixture::{self, movie_id};
use test_support::live;

use crate::app::{TestApp, settings};

fn ids(body: &Value, name: &str) -> Vec<i64> {
    body["items"].as_array().unwrap().iter().map(|item| item[name].as_i64().unwrap()).collect()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn dead_letters_are_listed_replayed_and_discarded(pool: PgPool) {
    fixture::small(&pool).await;
    let settings = settings(&pool);
    let log = live::log(&settings.redis.prefix, 100);
    let facts = live::facts(4, 1, chrono::Utc::now());
    let payloads = facts.iter().map(|fact| serde_json::to_string(fact).unwrap()).chain(["from a stranger".into()]);
    for (payload, n) in payloads.zip(1..) {
        let entry = LogEntry { id: format!("{n}-0"), payload, appended_at: chrono::Utc::now() };
        dead_letters::add(&pool, "events", &entry, 3, "the disk was full").await.unwrap();
    }
    let app = TestApp::run(settings).await;
    assert_eq!(app.get("/api/v1/admin/dead-letters").await.status, 401);
    let page = app.admin_get("/api/v1/admin/dead-letters?limit=2&offset=1").await.ok();
    assert_eq!((ids(&page, "dead_letter_id"), &page["total"]), (vec![4, 3], &json!(5)));
    assert_eq!(page["items"][0]["reason"], "the disk was full");

    let replay = async |body: Value| app.admin_post("/api/v1/admin/dead-letters/replay", body).await;
    for refused in [json!({}), json!({"ids": [1], "all": true}), json!({"ids": vec![1; 1001]}), json!({"id": 1})] {
        assert_eq!(replay(refused.clone()).await.problem().0, 400, "{refused}");
    }
    assert_eq!(replay(json!({"ids": [2, 99]})).await.ok(), json!({"replayed": 1, "unreadable": [], "remaining": 4}));
    let discarded = app.admin_post("/api/v1/admin/dead-letters/discard", json!({"ids": [3]})).await.ok();
    assert_eq!(discarded, json!({"discarded": [3]}));
    assert_eq!(replay(json!({"all": true})).await.ok(), json!({"replayed": 2, "unreadable": [5], "remaining": 1}));
    let again: Vec<_> = live::logged(&*log).await.iter().map(|entry| entry.fact().unwrap()).collect();
    assert_eq!(again, [facts[1].clone(), facts[0].clone(), facts[3].clone()]);
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn quarantined_movies_are_listed_asked_for_again_and_discarded(pool: PgPool) {
    let mut conn = pool.acquire().await.unwrap();
    let movie = |id: i64| {
        Quarantined::new(format!("movie/{id}"), Some("title"), "must not be empty", "{}").retried(movie_id(id))
    };
    let row = Quarantined::new("movies.csv line 3", None, "too few columns", "1");
    quarantine::add(&mut conn, Source::Tmdb, &[movie(1), movie(2)]).await.unwrap();
    quarantine::add(&mut conn, Source::Tmdb5000, &[row]).await.unwrap();
    assert!(quarantine::due(&pool, Source::Tmdb, 10).await.unwrap().is_empty());
    let app = TestApp::run(settings(&pool)).await;
    let page = app.admin_get("/api/v1/admin/quarantine?source=tmdb").await.ok();
    assert_eq!((ids(&page, "movie_id"), &page["total"]), (vec![2, 1], &json!(2)));
    assert_eq!((&page["items"][0]["tries"], page["items"][0]["next_try_at"].is_string()), (&json!(1), true));
    assert_eq!(app.admin_get("/api/v1/admin/quarantine?source=imdb").await.problem().2, "source");

    let all = ids(&app.admin_get("/api/v1/admin/quarantine").await.ok(), "quarantine_id");
    assert_eq!(all.len(), 3);
    let replay = async |body: Value| app.admin_post("/api/v1/admin/quarantine/replay", body).await.ok();
    assert_eq!(replay(json!({"ids": [all[0], all[1]]})).await, json!({"replayed": [all[1]]}), "one is no movie");
    assert_eq!(replay(json!({"all": true})).await, json!({"replayed": [all[2]]}), "the other is due already");
    assert_eq!(quarantine::due(&pool, Source::Tmdb, 10).await.unwrap(), [movie_id(2), movie_id(1)]);
    let discard = async |body: Value| app.admin_post("/api/v1/admin/quarantine/discard", body).await.ok();
    assert_eq!(discard(json!({"ids": [all[0]]})).await, json!({"discarded": [all[0]]}));
    discard(json!({"all": true})).await;
    assert_eq!(app.admin_get("/api/v1/admin/quarantine").await.ok()["total"], 0);
    app.stop().await;
}
