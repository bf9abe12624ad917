//! The promises of the event log (storage/src/event_log), kept by every adapter.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use domain::events::Fact;
use secrecy::SecretString;
use storage::event_log::{AppendError, Delivery, EventLog, EventSource, Fetch};
use test_support::{live, unique_prefix};

/// After which a reader that shows no sign of life counts as dead.
const DEAD_AFTER: Duration = Duration::from_millis(400);

const CAPACITY: usize = 10;

/// A log of one test, which can be opened again as another process would.
struct Place {
    url: SecretString,
    prefix: String,
    dir: Option<PathBuf>,
}

impl Place {
    fn redis() -> Self {
        Self { url: test_support::redis_url(), prefix: unique_prefix(), dir: None }
    }

    fn file() -> Self {
        let dir = std::env::temp_dir().join(unique_prefix());
        Self { url: format!("file://{}", dir.display()).into(), prefix: "test".into(), dir: Some(dir) }
    }

    fn open(&self) -> Arc<dyn EventLog> {
        live::log_at(self.url.clone(), &self.prefix, CAPACITY)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

/// One test a promise and adapter.
macro_rules! kept_by_every_adapter {
    ($($promise:ident),+ $(,)?) => {
        mod redis {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Place::redis()).await })+
        }
        mod file {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Place::file()).await })+
        }
    };
}

kept_by_every_adapter!(
    a_full_log_takes_all_or_nothing_and_drops_nothing,
    what_is_appended_together_is_delivered_in_its_order,
    readers_share_the_facts_and_none_goes_to_two,
    a_living_reader_keeps_its_delivery_however_long_it_takes,
    what_a_dead_reader_had_goes_to_one_other,
    what_is_not_committed_is_delivered_again,
    a_commit_holds_in_every_other_process,
    the_lag_is_the_age_of_the_oldest_fact_that_is_not_committed,
    a_read_waits_for_the_first_fact_and_no_longer_than_told,
    a_delivery_that_is_not_full_waits_for_more,
);

fn facts(count: usize) -> Vec<Fact> {
    live::facts(count, 1, Utc::now())
}

fn reader(log: &Arc<dyn EventLog>, name: &str) -> Box<dyn EventSource> {
    log.reader(name, DEAD_AFTER).unwrap()
}

async fn up_to(source: &mut Box<dyn EventSource>, max: usize) -> Delivery {
    source.next(Fetch { max, wait: Duration::ZERO, linger: Duration::ZERO }).await.unwrap()
}

fn read(delivery: &Delivery) -> Vec<Fact> {
    delivery.entries.iter().map(|entry| entry.fact().unwrap()).collect()
}

fn ids<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> BTreeSet<String> {
    deliveries.into_iter().flat_map(|delivery| &delivery.entries).map(|entry| entry.id.clone()).collect()
}

/// Reads and commits until nothing is left.
async fn rest(source: &mut Box<dyn EventSource>) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let delivery = up_to(source, 3).await;
        if delivery.entries.is_empty() {
            return all;
        }
        source.commit(&delivery.position).await.unwrap();
        all.push(delivery);
    }
}

async fn a_full_log_takes_all_or_nothing_and_drops_nothing(place: Place) {
    let (log, facts) = (place.open(), facts(12));
    log.append(&facts[..8]).await.unwrap();
    assert!(matches!(log.append(&facts[8..]).await, Err(AppendError::Full)), "8 + 4 > 10");
    log.append(&facts[8..10]).await.unwrap();
    assert!(matches!(log.append(&facts[10..11]).await, Err(AppendError::Full)));
    // Reading makes no room, committing does.
    let mut source = reader(&log, "reader");
    let first = up_to(&mut source, 3).await;
    assert!(matches!(log.append(&facts[10..11]).await, Err(AppendError::Full)));
    source.commit(&first.position).await.unwrap();
    log.append(&facts[10..]).await.unwrap();
    assert_eq!(log.backlog().await.unwrap().waiting, 12 - first.entries.len() as u64);
    let mut all = vec![first];
    all.extend(rest(&mut source).await);
    let all: Vec<Fact> = all.iter().flat_map(read).collect();
    assert!(all.len() == 12 && facts.iter().all(|fact| all.contains(fact)), "every fact that was taken, and no other");
}

async fn what_is_appended_together_is_delivered_in_its_order(place: Place) {
    let (log, facts) = (place.open(), facts(10));
    log.append(&facts[..5]).await.unwrap();
    log.append(&facts[5..]).await.unwrap();
    log.append(&[]).await.unwrap();
    let all: Vec<Fact> = rest(&mut reader(&log, "reader")).await.iter().flat_map(read).collect();
    let of = |part: &[Fact]| all.iter().filter(|fact| part.contains(fact)).cloned().collect::<Vec<_>>();
    assert_eq!((all.len(), of(&facts[..5]), of(&facts[5..])), (10, facts[..5].to_vec(), facts[5..].to_vec()));
}

async fn readers_share_the_facts_and_none_goes_to_two(place: Place) {
    let (log, facts) = (place.open(), facts(10));
    for pair in facts.chunks(2) {
        log.append(pair).await.unwrap();
    }
    // As two processes would.
    let other = place.open();
    let (mut one, mut two) = (reader(&log, "one"), reader(&other, "two"));
    let (a, b) = (up_to(&mut one, 4).await, up_to(&mut two, 4).await);
    assert!(!a.entries.is_empty() && !b.entries.is_empty(), "both have something to do");
    let mut all = vec![a, b];
    one.commit(&all[0].position).await.unwrap();
    two.commit(&all[1].position).await.unwrap();
    all.extend(rest(&mut one).await);
    all.extend(rest(&mut two).await);
    let delivered: usize = all.iter().map(|delivery| delivery.entries.len()).sum();
    assert_eq!((delivered, ids(&all).len()), (10, 10), "each once");
    assert_eq!(log.backlog().await.unwrap().waiting, 0);
    one.close().await.unwrap();
    two.close().await.unwrap();
}

async fn a_living_reader_keeps_its_delivery_however_long_it_takes(place: Place) {
    let log = place.open();
    log.append(&facts(4)).await.unwrap();
    let (mut slow, mut idle) = (reader(&log, "slow"), reader(&log, "idle"));
    let delivery = up_to(&mut slow, 10).await;
    let start = Instant::now();
    while start.elapsed() < 3 * DEAD_AFTER {
        tokio::time::sleep(DEAD_AFTER / 4).await;
        slow.keep_alive().await.unwrap();
        assert!(up_to(&mut idle, 10).await.entries.is_empty(), "the slow one is alive");
    }
    slow.commit(&delivery.position).await.unwrap();
    assert_eq!((delivery.entries.len(), log.backlog().await.unwrap().waiting), (4, 0));
}

async fn what_a_dead_reader_had_goes_to_one_other(place: Place) {
    let (log, facts) = (place.open(), facts(6));
    log.append(&facts).await.unwrap();
    let mut first = reader(&log, "first");
    let lost = up_to(&mut first, 10).await;
    assert_eq!(read(&lost), facts);
    drop(first);
    tokio::time::sleep(2 * DEAD_AFTER).await;
    // Two heirs at once.
    let (mut second, mut third) = (reader(&log, "second"), reader(&log, "third"));
    let (a, b) = tokio::join!(up_to(&mut second, 10), up_to(&mut third, 10));
    assert_eq!(a.entries.len() + b.entries.len(), 6);
    assert_eq!(ids([&a, &b]), ids([&lost]), "under the same names");
    second.commit(&a.position).await.unwrap();
    third.commit(&b.position).await.unwrap();
    assert_eq!(log.backlog().await.unwrap().waiting, 0);
}

async fn what_is_not_committed_is_delivered_again(place: Place) {
    let (log, facts) = (place.open(), facts(5));
    log.append(&facts).await.unwrap();
    let mut source = reader(&log, "reader");
    let delivery = up_to(&mut source, 3).await;
    for _ in 0..2 {
        assert_eq!(up_to(&mut source, 3).await, delivery, "to the same reader, without a wait");
    }
    source.commit(&delivery.position).await.unwrap();
    let next = up_to(&mut source, 3).await;
    assert_eq!(read(&next), facts[3..]);
    // One that leaves with something in hand leaves it to others.
    source.close().await.unwrap();
    tokio::time::sleep(2 * DEAD_AFTER).await;
    let mut heir = reader(&log, "heir");
    assert_eq!(up_to(&mut heir, 3).await, next);
    heir.commit(&next.position).await.unwrap();
    heir.commit(&next.position).await.unwrap();
    assert_eq!(log.backlog().await.unwrap().waiting, 0, "to commit twice does no harm");
}

async fn a_commit_holds_in_every_other_process(place: Place) {
    let facts = facts(6);
    {
        let log = place.open();
        log.append(&facts).await.unwrap();
        let mut source = reader(&log, "before");
        let delivery = up_to(&mut source, 4).await;
        source.commit(&delivery.position).await.unwrap();
    }
    tokio::time::sleep(2 * DEAD_AFTER).await;
    let log = place.open();
    assert_eq!(log.backlog().await.unwrap().waiting, 2);
    let all: Vec<Fact> = rest(&mut reader(&log, "after")).await.iter().flat_map(read).collect();
    assert_eq!(all, facts[4..]);
}

async fn the_lag_is_the_age_of_the_oldest_fact_that_is_not_committed(place: Place) {
    let log = place.open();
    let pause = Duration::from_millis(300);
    assert_eq!(log.backlog().await.unwrap().lag, None, "a log that never was");
    let lag = async || log.backlog().await.unwrap().lag;
    let start = Instant::now();
    log.append(&facts(1)).await.unwrap();
    tokio::time::sleep(pause).await;
    log.append(&facts(1)).await.unwrap();
    assert!(lag().await.unwrap() >= pause, "nobody has read yet");
    // One has the older in hand; the other does the newer.
    let (mut slow, mut quick) = (reader(&log, "slow"), reader(&log, "quick"));
    let older = up_to(&mut slow, 1).await;
    let newer = up_to(&mut quick, 1).await;
    quick.commit(&newer.position).await.unwrap();
    assert_eq!(log.backlog().await.unwrap().waiting, 1);
    assert!(lag().await.unwrap() >= pause, "what is in hand counts");
    slow.commit(&older.position).await.unwrap();
    assert_eq!(lag().await, None, "all is done");
    log.append(&facts(1)).await.unwrap();
    assert!(lag().await.unwrap() < start.elapsed() - pause, "the older one counts no more");
}

async fn a_read_waits_for_the_first_fact_and_no_longer_than_told(place: Place) {
    let log = place.open();
    let mut source = reader(&log, "reader");
    let waiting = |millis| Fetch { max: 10, wait: Duration::from_millis(millis), linger: Duration::ZERO };
    let start = Instant::now();
    assert!(source.next(waiting(300)).await.unwrap().entries.is_empty());
    assert!(start.elapsed() >= Duration::from_millis(250));
    let facts = facts(1);
    let (delivery, ()) = tokio::join!(source.next(waiting(2_000)), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        log.append(&facts).await.unwrap();
    });
    assert_eq!(read(&delivery.unwrap()), facts);
    assert!(start.elapsed() < Duration::from_secs(2));
}

async fn a_delivery_that_is_not_full_waits_for_more(place: Place) {
    let (log, facts) = (place.open(), facts(8));
    log.append(&facts[..4]).await.unwrap();
    let mut source = reader(&log, "reader");
    let fetch = Fetch { max: 4, wait: Duration::ZERO, linger: Duration::from_secs(30) };
    let full = source.next(fetch).await.unwrap();
    assert_eq!(read(&full), facts[..4], "a full one waits for nothing");
    source.commit(&full.position).await.unwrap();
    // Whatever its partition gets meanwhile is in the delivery.
    log.append(&facts[4..]).await.unwrap();
    let start = Instant::now();
    let delivery = source.next(Fetch { max: 100, linger: Duration::from_millis(200), ..fetch }).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(read(&delivery), facts[4..]);
}

#[tokio::test]
async fn a_log_that_cannot_be_reached_says_so() {
    for nowhere in ["redis://127.0.0.1:1", "file:///dev/null/nowhere"] {
        let log = live::log_at(nowhere.into(), "x", 100);
        let appended = log.append(&facts(1)).await;
        assert!(matches!(appended, Err(AppendError::Unavailable(error)) if error.is_transient()), "{nowhere}");
        assert!(log.backlog().await.is_err(), "{nowhere}");
    }
}
