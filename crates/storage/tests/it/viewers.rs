//! Viewers: names and ids, in the speed layer's transaction and beside it.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use domain::events::{Event, EventType};
use domain::viewers::ViewerName;
use sqlx::PgPool;
use storage::postgres::speed::{self, MicroBatch};
use storage::postgres::viewers;
use test_support::{fixture, live};
use uuid::Uuid;

fn name(text: &str) -> ViewerName {
    text.parse().unwrap()
}

fn did(viewer: &str, movie: i64, event_type: EventType) -> Event {
    Event { user_id: name(viewer), ..live::event(movie, event_type, Utc::now()) }
}

fn events(events: Vec<Event>) -> MicroBatch {
    MicroBatch { events, reviews: Vec::new() }
}

/// Names of the viewers whose profiles are stale, with the version.
async fn stale(pool: &PgPool) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT name, version FROM stale_profiles JOIN viewers USING (viewer_id) ORDER BY name")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn facts_are_stored_under_the_id_of_a_name(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let list = Uuid::from_u128(5);
    let listed = Event { list_id: Some(list), ..did("user_123", 550, EventType::Click) };
    let review = live::review(603, "Fine.", Utc::now());
    let reviewed = domain::events::ViewerReview { user_id: Some(name("user_123")), ..review };
    let batch = MicroBatch { events: vec![listed, did("7", 603, EventType::View)], reviews: vec![reviewed] };
    for expected in [(2, 1, 0), (0, 0, 3)] {
        let applied = speed::apply(&pool, &batch).await.unwrap();
        assert_eq!((applied.events, applied.reviews, applied.duplicates), expected);
    }
    let id = viewers::find(&pool, &name("user_123")).await.unwrap().unwrap();
    let named: String = sqlx::query_scalar("SELECT name FROM viewers WHERE viewer_id = $1")
        .bind(id.get())
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(named, "user_123");
    let stored: Vec<(i64, Option<Uuid>)> =
        sqlx::query_as("SELECT movie_id, list_id FROM viewer_events WHERE viewer_id = $1")
            .bind(id.get())
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(stored, [(550, Some(list))]);
    let reviewer: i64 = sqlx::query_scalar("SELECT viewer_id FROM viewer_reviews").fetch_one(&pool).await.unwrap();
    assert_eq!(reviewer, id.get());
    assert_eq!(viewers::find(&pool, &name("nobody")).await.unwrap(), None);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn new_facts_make_a_profile_stale_and_what_says_nothing_does_not(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let batch = events(vec![
        did("fan", 550, EventType::Like),
        did("fan", 603, EventType::View),
        did("passer-by", 550, EventType::Impression),
        did("passer-by", 550, EventType::Search),
    ]);
    // Delivered twice: the second time nothing is new.
    for _ in 0..2 {
        speed::apply(&pool, &batch).await.unwrap();
        assert_eq!(stale(&pool).await, [("fan".to_owned(), 0)]);
    }
    speed::apply(&pool, &events(vec![did("fan", 238, EventType::Dislike)])).await.unwrap();
    assert_eq!(stale(&pool).await, [("fan".to_owned(), 1)]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn lanes_that_create_the_same_viewers_in_any_order_agree(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let batch = |shift: usize| {
        let viewer = |n: usize| format!("v{}", (n * 7 + shift * 31) % 200);
        events((0..400).map(|n| did(&viewer(n), 550, EventType::View)).collect())
    };
    let lane = |shift: usize| {
        let pool = pool.clone();
        async move {
            for round in 0..3 {
                speed::apply(&pool, &batch(shift + round)).await.unwrap();
            }
        }
    };
    tokio::join!(lane(0), lane(1), lane(2));
    let counted: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM viewers), count(*), count(DISTINCT viewer_id) FROM viewer_events JOIN viewers USING (viewer_id)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(counted, (200, 3 * 3 * 400, 200));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn raters_of_sources_are_viewers_and_the_demo_worlds_are_those_of_the_api(pool: PgPool) {
    fixture::catalogue(&pool).await;
    sqlx::query(
        "INSERT INTO ratings (source, user_id, movie_id, rating, rated_at)
         VALUES ('demo', 7, 550, 8, now()), ('movielens', 7, 550, 8, now()), ('movielens', 9, 550, 8, now())",
    )
    .execute(&pool)
    .await
    .unwrap();
    speed::apply(&pool, &events(vec![did("7", 603, EventType::Like)])).await.unwrap();
    // Asked for before anybody has adopted the source's raters.
    let found = viewers::find(&pool, &name("movielens:9")).await.unwrap();
    assert!(found.is_some());
    assert_eq!(viewers::find(&pool, &name("movielens:10")).await.unwrap(), None);
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(viewers::adopt_raters(&mut conn).await.unwrap(), 1);
    assert_eq!(viewers::adopt_raters(&mut conn).await.unwrap(), 0);
    let rows: BTreeSet<(String, Option<String>, Option<i64>)> =
        sqlx::query_as("SELECT name, source, source_user_id FROM viewers")
            .fetch_all(&pool)
            .await
            .unwrap()
            .into_iter()
            .collect();
    let row = |name: &str, source: &str, number| (name.to_owned(), Some(source.to_owned()), Some(number));
    let expected = [row("7", "demo", 7), row("movielens:7", "movielens", 7), row("movielens:9", "movielens", 9)];
    assert_eq!(rows, BTreeSet::from(expected));
    assert_eq!(viewers::find(&pool, &name("movielens:9")).await.unwrap(), found);
}

/// How many rows name the viewer, by table.
async fn traces(pool: &PgPool, viewer: i64) -> i64 {
    sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM viewers WHERE viewer_id = $1) + (SELECT count(*) FROM viewer_events WHERE viewer_id = $1)
              + (SELECT count(*) FROM viewer_reviews WHERE viewer_id = $1) + (SELECT count(*) FROM viewer_profiles WHERE viewer_id = $1)
              + (SELECT count(*) FROM stale_profiles WHERE viewer_id = $1) + (SELECT count(*) FROM hidden_movies WHERE viewer_id = $1)
              + (SELECT count(*) FROM served_lists WHERE viewer_id = $1) + (SELECT count(*) FROM waiting_facts)
              + (SELECT count(*) FROM dead_letters) + (SELECT count(*) FROM ratings WHERE source = 'demo' AND user_id = 7)",
    )
    .bind(viewer)
    .fetch_one(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_forgotten_viewer_leaves_counts_and_no_name(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let review = live::review(603, "Fine.", Utc::now());
    let reviewed = domain::events::ViewerReview { user_id: Some(name("7")), ..review };
    let waits = did("7", 999_999, EventType::View);
    let other = did("8", 550, EventType::View);
    let batch = MicroBatch { events: vec![did("7", 550, EventType::View), waits, other], reviews: vec![reviewed] };
    speed::apply(&pool, &batch).await.unwrap();
    let id = viewers::find(&pool, &name("7")).await.unwrap().unwrap().get();
    for statement in [
        "INSERT INTO ratings VALUES ('demo', 7, 550, 8, now())",
        "INSERT INTO hidden_movies (viewer_id, movie_id) SELECT viewer_id, 550 FROM viewers WHERE name = '7'",
        "INSERT INTO viewer_profiles (viewer_id, version, vector, interactions, newest_at)
         SELECT viewer_id, 'v', '{1}', 1, now() FROM viewers WHERE name = '7'",
        r#"INSERT INTO dead_letters (stream, message_id, payload, reason, tries) VALUES ('s', '1-0', '{"kind":"event","user_id":"7","x":1}', 'r', 3)"#,
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    }
    assert!(traces(&pool, id).await >= 8);
    let deleted = viewers::forget(&pool, &name("7")).await.unwrap().unwrap();
    assert_eq!((deleted.events, deleted.reviews, deleted.ratings, deleted.waiting), (1, 1, 1, 1));
    assert_eq!(traces(&pool, id).await, 0);
    assert_eq!(viewers::find(&pool, &name("7")).await.unwrap(), None);
    assert_eq!(viewers::forget(&pool, &name("7")).await.unwrap(), None, "nobody is forgotten twice");
    let facts: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM viewer_events), (SELECT count(*) FROM viewer_reviews), (SELECT count(*) FROM forgotten_viewers)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(facts, (2, 1, 1), "what happened still counts");
    assert!(viewers::find(&pool, &name("8")).await.unwrap().is_some());
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_viewer_who_is_forgotten_while_facts_come_is_named_nowhere_under_the_old_id(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let lane = async {
        for _ in 0..30 {
            speed::apply(&pool, &events(vec![did("x", 550, EventType::Like)])).await.unwrap();
        }
    };
    let forget = async {
        for _ in 0..15 {
            viewers::forget(&pool, &name("x")).await.unwrap();
        }
    };
    tokio::join!(lane, forget);
    let dangling: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM viewer_events AS e WHERE viewer_id IS NOT NULL
                     AND NOT EXISTS (SELECT FROM viewers AS v WHERE v.viewer_id = e.viewer_id)),
                (SELECT count(*) FROM stale_profiles AS s
                 WHERE NOT EXISTS (SELECT FROM viewers AS v WHERE v.viewer_id = s.viewer_id))",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(dangling, (0, 0));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_export_has_what_is_known_page_by_page(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let at = Utc::now() - TimeDelta::hours(1);
    let event = |_| Event { user_id: name("x"), ..live::event(550, EventType::View, at) };
    speed::apply(&pool, &events((0..25).map(event).collect())).await.unwrap();
    let id = viewers::find(&pool, &name("x")).await.unwrap().unwrap();
    let (mut seen, mut after) = (BTreeSet::new(), None);
    loop {
        let page = viewers::events_page(&pool, id, after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.event_id);
        seen.extend(page.into_iter().map(|event| event.event_id));
    }
    assert_eq!(seen.len(), 25);
}
