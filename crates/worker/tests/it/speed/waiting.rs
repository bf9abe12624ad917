//! Facts about movies that the catalogue does not have yet: they wait in full, and count once the movie arrives.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::events::{EventType, Fact};
use domain::ingest::{Quarantined, Record, Source};
use domain::movies::Movie;
use sqlx::{PgConnection, PgPool};
use storage::postgres::catalogue::{self, quarantine};
use storage::postgres::facts::waiting;
use storage::postgres::speed;
use test_support::{eventually, fixture, live};

use super::{append, batch_of, drained, stack, stored_events, truth};

/// A movie that no fixture has.
const NEW: i64 = 999_999;

/// Three events and two reviews of the new movie, in hours of both layers.
fn facts() -> Vec<Fact> {
    let now = Utc::now();
    let ago = |hours| now - TimeDelta::hours(hours);
    vec![
        Fact::Event(live::event(NEW, EventType::View, now)),
        Fact::Event(live::event(NEW, EventType::Rating, ago(3))),
        Fact::Event(live::event(NEW, EventType::Like, ago(100))),
        Fact::Review(live::review(NEW, "A wonderful film, I loved it.", now)),
        Fact::Review(live::review(NEW, "Terrible. I hated it.", ago(100))),
    ]
}

async fn write(conn: &mut PgConnection, record: Record) {
    catalogue::write(conn, Source::Demo, vec![record]).await.unwrap();
}

fn movie() -> Movie {
    Movie::titled(fixture::movie_id(NEW), "New")
}

async fn arrive(pool: &PgPool) {
    write(&mut pool.acquire().await.unwrap(), Record::Movie(Box::new(movie()))).await;
}

async fn waiting(pool: &PgPool) -> i64 {
    waiting::room(pool, 1).await.unwrap().facts
}

/// What the new movie's page and its sentiment say.
async fn counted(pool: &PgPool) -> (i64, f64, i64) {
    sqlx::query_as(
        "SELECT coalesce((SELECT sum(n)::bigint FROM speed_stats, unnest(counts) AS n WHERE movie_id = $1), 0),
                coalesce((SELECT sum(rating_sum) FROM speed_stats WHERE movie_id = $1), 0),
                (SELECT count(*) FROM viewer_reviews WHERE movie_id = $1)",
    )
    .bind(NEW)
    .fetch_one(pool)
    .await
    .unwrap()
}

async fn all_counted(pool: &PgPool, events: i64, reviews: i64) {
    eventually("the waiting facts are counted", Duration::from_secs(20), async || {
        let state = (waiting(pool).await, counted(pool).await);
        if state.0 == 0 && state.1.0 == events && state.1.2 == reviews { Ok(()) } else { Err(state) }
    })
    .await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn facts_wait_in_full_and_count_once_when_their_movie_arrives(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let worker = stack.worker().await;
    let facts = facts();
    append(&log, &facts).await;
    // A delivery that comes again, and a client that sends again.
    append(&log, &facts[..2]).await;
    drained(&log).await;
    let room = waiting::room(&stack.pool, 5).await.unwrap();
    assert_eq!((room.facts, room.movies, room.units, room.full.as_slice()), (5, 1, 5, [NEW].as_slice()));
    assert_eq!(stored_events(&stack.pool).await, 0);

    arrive(&stack.pool).await;
    all_counted(&stack.pool, 3, 2).await;
    let (stats, _) = truth(&facts);
    assert_eq!(counted(&stack.pool).await.1, stats[&fixture::movie_id(NEW)].rating_sum);
    append(&log, &facts).await;
    drained(&log).await;
    all_counted(&stack.pool, 3, 2).await;
    assert_eq!(stored_events(&stack.pool).await, 5);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_that_arrives_between_the_check_and_the_write_gets_its_facts(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let worker = stack.worker().await;
    let mut ingest = stack.pool.begin().await.unwrap();
    // As a stub, which MovieLens brings.
    write(&mut ingest, Record::Stub(Box::new(movie()))).await;
    append(&log, &facts()).await;
    drained(&log).await;
    assert_eq!(waiting(&stack.pool).await, 5, "the movie is not committed");
    ingest.commit().await.unwrap();
    all_counted(&stack.pool, 3, 2).await;
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_worker_that_died_before_the_facts_left_the_room_counts_them_once(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let facts = facts();
    let applied = speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();
    assert_eq!((applied.events, applied.reviews, applied.waiting, applied.duplicates), (0, 0, 5, 0));
    let again = speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();
    assert_eq!((again.waiting, again.duplicates), (0, 5));
    arrive(&stack.pool).await;
    // It has applied some of them.
    assert_eq!(speed::apply(&stack.pool, &batch_of(&facts[1..4])).await.unwrap().waiting, 0);
    assert_eq!(waiting(&stack.pool).await, 5);
    let worker = stack.worker().await;
    all_counted(&stack.pool, 3, 2).await;
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_tombstones_facts_count_and_do_not_wait(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    sqlx::query("UPDATE movies SET tombstoned_at = now() WHERE movie_id = 550").execute(&stack.pool).await.unwrap();
    let facts = [Fact::Event(live::event(550, EventType::View, Utc::now()))];
    let applied = speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();
    assert_eq!((applied.events, applied.waiting), (1, 0));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn facts_that_wait_too_long_and_old_quarantine_go_and_the_others_stay(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let facts: Vec<Fact> = (0..12).map(|n| Fact::Event(live::event(NEW + n, EventType::View, Utc::now()))).collect();
    speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();
    let bad = |n| Quarantined::new(format!("line {n}"), None, "no number", "x");
    let rows: Vec<Quarantined> = (0..12).map(bad).collect();
    quarantine::add(&mut stack.pool.acquire().await.unwrap(), Source::Movielens, &rows).await.unwrap();
    for aged in [
        "UPDATE waiting_facts SET received_at = now() - interval '15 days' WHERE movie_id <> 999999",
        "UPDATE quarantine SET last_seen_at = now() - interval '91 days' WHERE location <> 'line 3'",
    ] {
        sqlx::query(aged).execute(&stack.pool).await.unwrap();
    }
    let before = Utc::now() - TimeDelta::days(14);
    assert_eq!(waiting::expire(&stack.pool, before, 5).await.unwrap(), 5, "in chunks");
    // This one's movie arrives before the fact is deleted: it is applied instead.
    sqlx::query("INSERT INTO movies (movie_id, title, source) SELECT max(movie_id), 'New', 'demo' FROM waiting_facts")
        .execute(&stack.pool)
        .await
        .unwrap();
    assert_eq!(waiting::expire(&stack.pool, before, 100).await.unwrap(), 5);
    let worker = stack.worker().await;
    eventually("the movie's fact is applied and old quarantine is gone", Duration::from_secs(20), async || {
        let quarantined: i64 =
            sqlx::query_scalar("SELECT count(*) FROM quarantine").fetch_one(&stack.pool).await.unwrap();
        let state = (waiting(&stack.pool).await, stored_events(&stack.pool).await, quarantined);
        if state == (1, 1, 1) { Ok(()) } else { Err(state) }
    })
    .await;
    worker.stop().await;
}
