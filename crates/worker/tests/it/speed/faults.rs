//! What the speed layer survives.

use std::time::{Duration, Instant};

use chrono::Utc;
use domain::page::Page;
use sqlx::PgPool;
use storage::event_log::Fetch;
use storage::postgres::facts::dead_letters;
use storage::postgres::speed;
use test_support::live;

use super::{append, batch_of, drained, merged, stack, stored_events, truth};

/// As the worlds of these tests have it.
const DEAD_AFTER: Duration = Duration::from_secs(1);

fn up_to(max: usize) -> Fetch {
    Fetch { max, wait: Duration::ZERO, linger: Duration::ZERO }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn killed_between_the_two_commits_it_counts_nothing_twice(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let now = Utc::now();
    let facts = live::facts(300, 5, now);
    append(&log, &facts).await;
    // What a worker does until its death, to the letter.
    let mut source = log.reader("the-dead", DEAD_AFTER).unwrap();
    let delivery = source.next(up_to(1_000)).await.unwrap();
    let read: Vec<_> = delivery.entries.iter().map(|entry| entry.fact().unwrap()).collect();
    speed::apply(&stack.pool, &batch_of(&read)).await.unwrap();
    assert_eq!((read.len(), log.backlog().await.unwrap().waiting), (300, 300));
    drop(source);

    let worker = stack.worker().await;
    drained(&log).await;
    worker.stop().await;
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
    assert_eq!(stored_events(&stack.pool).await, 300);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn killed_at_any_moment_it_loses_nothing_and_counts_nothing_twice(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let stack = stack.with("SPEED_BATCH_SIZE", "200").with("SPEED_LINGER_MS", "0");
    let now = Utc::now();
    let facts = live::facts(12_000, 40, now);
    append(&log, &facts).await;
    for life in 1..=4 {
        let worker = stack.process();
        let before = log.backlog().await.unwrap().waiting;
        let start = Instant::now();
        while log.backlog().await.unwrap().waiting == before && start.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(37 * life)).await;
        worker.kill();
    }
    let last = stack.process();
    drained(&log).await;
    last.kill();
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
    assert_eq!(stored_events(&stack.pool).await, 12_000);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_same_facts_sent_twice_count_once_even_side_by_side(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let now = Utc::now();
    let facts = live::facts(1_000, 5, now);
    // Each event twice in a micro-batch, and the micro-batch twice at once: the second waits and finds duplicates.
    let mut batch = batch_of(&facts);
    batch.events.extend_from_within(..);
    let (a, b) = tokio::join!(speed::apply(&stack.pool, &batch), speed::apply(&stack.pool, &batch));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.events + a.reviews + b.events + b.reviews, 1_000);
    assert_eq!(a.duplicates + b.duplicates, 2 * 1_900 - 1_000, "{a:?} {b:?}");
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
    // And once more through the log, to two processes' worth of lanes.
    append(&log, &facts).await;
    append(&log, &facts).await;
    let (one, two) = (stack.worker().await, stack.worker().await);
    drained(&log).await;
    one.stop().await;
    two.stop().await;
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn poison_becomes_a_dead_letter_after_three_tries_and_its_neighbours_count(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let now = Utc::now();
    let facts = live::facts(50, 2, now);
    append(&log, &facts[..25]).await;
    let client = redis::Client::open(secrecy::ExposeSecret::expose_secret(&test_support::redis_url())).unwrap();
    let mut conn = client.get_multiplexed_async_connection().await.unwrap();
    let mut poison = async |field: &str, value: &str| {
        let mut command = redis::cmd("XADD");
        command.arg(format!("{}:events", stack.prefix)).arg("*").arg(field).arg(value);
        command.query_async::<String>(&mut conn).await.unwrap();
    };
    poison("fact", r#"{"kind":"dance","user_id":7}"#).await;
    poison("noise", "from a stranger").await;
    // Well-formed, but PostgreSQL refuses it: it spoils the batch it is in, and is found.
    let nul = r#"{"kind":"review","review_id":"67e55044-10b1-426f-9247-bb680e5fe0c8","movie_id":550,"content":"a\u0000b","occurred_at":"2026-03-10T12:00:00Z"}"#;
    poison("fact", nul).await;
    append(&log, &facts[25..]).await;

    let worker = stack.worker().await;
    drained(&log).await;
    worker.stop().await;
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
    let (letters, total) = dead_letters::page(&stack.pool, Page::default()).await.unwrap();
    assert_eq!((total, letters.iter().all(|letter| letter.tries == 3)), (3, true), "{letters:?}");
    assert!(letters.iter().any(|letter| letter.payload.contains("from a stranger")));
    assert!(letters.iter().any(|letter| letter.reason.contains("dance")), "{letters:?}");
    assert!(letters.iter().any(|letter| letter.payload == nul));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_dead_readers_held_is_taken_over_by_another(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let now = Utc::now();
    let facts = live::facts(200, 3, now);
    append(&log, &facts).await;
    for reader in ["dead-1", "dead-2"] {
        let delivery = log.reader(reader, DEAD_AFTER).unwrap().next(up_to(80)).await.unwrap();
        assert_eq!(delivery.entries.len(), 80);
    }
    let worker = stack.process();
    drained(&log).await;
    assert!(worker.terminate(), "a speed worker ends by itself on SIGTERM");
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn while_postgresql_is_away_facts_wait_in_the_log_and_are_applied_after(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let now = Utc::now();
    let facts = live::facts(400, 3, now);
    let worker = stack.worker().await;
    append(&log, &facts[..100]).await;
    drained(&log).await;
    // No more connections, and the ones there are cut: to the worker the server is gone.
    let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&pool).await.unwrap();
    let admin_options = pool.connect_options().as_ref().clone().database("postgres");
    let admin = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(admin_options).await.unwrap();
    let allow = |allow: bool| sqlx::AssertSqlSafe(format!("ALTER DATABASE \"{database}\" ALLOW_CONNECTIONS {allow}"));
    sqlx::query(allow(false)).execute(&admin).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(&database)
        .execute(&admin)
        .await
        .unwrap();
    append(&log, &facts[100..]).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(log.backlog().await.unwrap().waiting, 300, "nothing is lost, nothing committed");
    sqlx::query(allow(true)).execute(&admin).await.unwrap();
    drained(&log).await;
    worker.stop().await;
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
    assert_eq!(dead_letters::count(&stack.pool).await.unwrap(), 0, "an outage is nobody's poison");
}
