//! The event log's promises, on Redis.

use std::time::Duration;

use chrono::Utc;
use storage::event_log::{AppendError, EventLog};
use test_support::{live, unique_prefix};

const NO_WAIT: Duration = Duration::ZERO;

#[tokio::test]
async fn a_full_log_takes_all_or_nothing_and_drops_nothing() {
    let log = live::log(&unique_prefix(), 10);
    let facts = live::facts(12, 1, Utc::now());
    assert_eq!(log.append(&facts[..8]).await.unwrap().len(), 8);
    assert!(matches!(log.append(&facts[8..]).await, Err(AppendError::Full)), "8 + 4 > 10");
    assert_eq!(log.append(&facts[8..10]).await.unwrap().len(), 2);
    assert!(matches!(log.append(&facts[10..11]).await, Err(AppendError::Full)));
    // Reading makes no room, acknowledging does.
    let entries = log.read("reader", 3, NO_WAIT).await.unwrap();
    assert!(matches!(log.append(&facts[10..11]).await, Err(AppendError::Full)));
    log.ack(&entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>()).await.unwrap();
    log.append(&facts[10..]).await.unwrap();
    let rest = log.read("reader", 100, NO_WAIT).await.unwrap();
    let read: Vec<_> = entries.iter().chain(&rest).map(|entry| entry.fact().unwrap()).collect();
    assert_eq!(read, facts, "every fact that was taken, in order, and no other");
    let backlog = log.backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.in_hand), (9, 9));
}

#[tokio::test]
async fn each_fact_goes_to_one_consumer_until_that_one_is_taken_for_dead() {
    let log = live::log(&unique_prefix(), 100);
    let facts = live::facts(6, 1, Utc::now());
    let ids = log.append(&facts).await.unwrap();
    let first = log.read("first", 4, NO_WAIT).await.unwrap();
    let second = log.read("second", 4, NO_WAIT).await.unwrap();
    assert_eq!((first.len(), second.len()), (4, 2));
    assert_eq!(first.iter().chain(&second).map(|entry| entry.id.clone()).collect::<Vec<_>>(), ids);
    let idle = Duration::from_millis(200);
    assert!(log.claim_stale("second", idle, 100).await.unwrap().is_empty(), "nobody is late yet");
    tokio::time::sleep(idle * 2).await;
    // Two heirs at once: each fact goes to one of them.
    let (a, b) = tokio::join!(log.claim_stale("third", idle, 100), log.claim_stale("fourth", idle, 100));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.len() + b.len(), 6);
    assert!(a.iter().chain(&b).all(|entry| entry.deliveries == 2 && facts.contains(&entry.fact().unwrap())));
    log.ack(&ids).await.unwrap();
    assert_eq!(log.backlog().await.unwrap().waiting, 0);
    log.leave("first").await.unwrap();
}

#[tokio::test]
async fn the_lag_is_the_age_of_the_oldest_fact_that_is_not_acknowledged_whoever_has_it() {
    let log = live::log(&unique_prefix(), 100);
    assert_eq!(log.backlog().await.unwrap().lag, None, "a log that never was");
    let facts = live::facts(3, 1, Utc::now());
    let pause = Duration::from_millis(300);
    let first = log.append(&facts[..1]).await.unwrap();
    tokio::time::sleep(pause).await;
    let rest = log.append(&facts[1..]).await.unwrap();
    let lag = async || log.backlog().await.unwrap().lag;
    assert!(lag().await.unwrap() >= pause, "nobody has read yet");
    // A consumer takes the oldest and dies; another one does the rest.
    assert_eq!(log.read("dead", 1, NO_WAIT).await.unwrap()[0].id, first[0]);
    log.read("alive", 10, NO_WAIT).await.unwrap();
    log.ack(&rest).await.unwrap();
    let backlog = log.backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.in_hand), (1, 1));
    assert!(backlog.lag.unwrap() >= pause, "what the dead one has in hand counts");
    log.ack(&first).await.unwrap();
    assert_eq!(lag().await, None, "all is done");
    // The newer of two, once the older is acknowledged.
    let start = std::time::Instant::now();
    let older = log.append(&facts[..1]).await.unwrap();
    tokio::time::sleep(pause).await;
    log.append(&facts[1..2]).await.unwrap();
    log.read("alive", 10, NO_WAIT).await.unwrap();
    log.ack(&older).await.unwrap();
    assert!(lag().await.unwrap() <= start.elapsed() - pause);
}

#[tokio::test]
async fn a_read_waits_for_the_first_fact_and_no_longer_than_told() {
    let log = live::log(&unique_prefix(), 100);
    let start = std::time::Instant::now();
    assert!(log.read("reader", 10, Duration::from_millis(300)).await.unwrap().is_empty());
    assert!(start.elapsed() >= Duration::from_millis(250));
    let facts = live::facts(1, 1, Utc::now());
    let (read, ()) = tokio::join!(log.read("reader", 10, Duration::from_secs(2)), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        log.append(&facts).await.unwrap();
    });
    assert_eq!(read.unwrap().len(), 1);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_log_that_cannot_be_reached_says_so() {
    let nobody = secrecy::SecretString::from("redis://127.0.0.1:1");
    let log = storage::event_log::RedisLog::open(&nobody, "x", 100).unwrap();
    let facts = live::facts(1, 1, Utc::now());
    assert!(matches!(log.append(&facts).await, Err(AppendError::Unavailable(error)) if error.is_transient()));
}
