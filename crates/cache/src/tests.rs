//! The cache by itself: Redis is away in all of these.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::MovieId;
use domain::artifacts::CacheFamily;
use futures::future::{BoxFuture, join_all};
use settings::CacheSettings;
use storage::changes::{Change, ChangeFeed};

use super::*;

const FAMILY: CacheFamily = CacheFamily::Movies;

/// A failure as when the database is away, or as when there is no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Away,
    Gone,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Failure for Broken {
    fn is_ours(&self) -> bool {
        *self == Self::Away
    }
}

/// A cache, and the feed that it follows by hand.
struct Setup {
    cache: Arc<ResponseCache<Broken>>,
    feed: Arc<ChangeFeed>,
}

/// With these milliseconds of freshness, and as many again for each kind of staleness.
fn setup(fresh: u64, revalidate: u64, error: u64) -> Setup {
    let settings = CacheSettings {
        url: "redis://127.0.0.1:1".into(),
        prefix: "test".into(),
        memory_bytes: 1024 * 1024,
        ttl: CacheFamily::ALL.map(|family| (family, Duration::from_millis(fresh))).to_vec(),
        stale_while_revalidate: Duration::from_millis(revalidate),
        stale_if_error: Duration::from_millis(error),
        warm: 10,
    };
    let feed = Arc::new(ChangeFeed::default());
    Setup { cache: Arc::new(ResponseCache::new(&settings, feed.clone()).unwrap()), feed }
}

fn connected(fresh: u64, revalidate: u64, error: u64) -> Setup {
    let setup = setup(fresh, revalidate, error);
    setup.connect();
    setup.publish(1);
    setup
}

fn current() -> Setup {
    connected(60_000, 30_000, 600_000)
}

/// Computes its text, after a while; without one it fails as a database that is away.
struct Says {
    text: Result<&'static str, Broken>,
    wait: Duration,
    asked: Arc<AtomicUsize>,
}

impl Compute<Broken> for Says {
    fn compute(&self) -> BoxFuture<'_, Result<Bytes, Broken>> {
        Box::pin(async {
            self.asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.wait).await;
            self.text.map(|text| Bytes::from_static(text.as_bytes()))
        })
    }
}

fn says(text: &'static str) -> Arc<Says> {
    Arc::new(Says { text: Ok(text), wait: Duration::from_millis(20), asked: Arc::default() })
}

fn fails(why: Broken) -> Arc<Says> {
    Arc::new(Says { text: Err(why), wait: Duration::from_millis(10), asked: Arc::default() })
}

fn subject(live: Live) -> Subject {
    Subject::new(FAMILY, "/question", live, Visibility::Public)
}

impl Setup {
    fn connect(&self) {
        self.feed.announce(Change::Everything);
    }

    fn publish(&self, generation: i64) {
        self.feed.announce(Change::Generation(FAMILY, generation));
    }

    async fn ask(&self, says: &Arc<Says>) -> Result<(Source, String), Arc<Broken>> {
        let answer = self.cache.answer(&subject(Live::Movie(movie())), false, says.clone()).await?;
        Ok((answer.source, String::from_utf8(answer.entry.body.to_vec()).unwrap()))
    }

    async fn tells(&self, says: &Arc<Says>, source: Source, body: &str) {
        assert_eq!(self.ask(says).await.unwrap(), (source, body.to_owned()));
    }
}

fn movie() -> MovieId {
    MovieId::new(550).unwrap()
}

async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test]
async fn one_of_many_who_ask_at_once_computes() {
    let (setup, answer) = (current(), says("answer"));
    for answer in join_all((0..50).map(|_| setup.ask(&answer))).await {
        assert_eq!(answer.unwrap().0, Source::Miss);
    }
    assert_eq!(answer.asked.load(Ordering::Relaxed), 1);
    setup.tells(&says("other"), Source::Memory, "answer").await;
}

#[tokio::test]
async fn what_was_computed_while_a_run_was_published_is_not_given_under_the_new_generation() {
    let setup = current();
    let publish = async {
        pass(5).await;
        setup.publish(2);
    };
    let of_old_run = says("of the old run");
    futures::join!(setup.tells(&of_old_run, Source::Miss, "of the old run"), publish);
    let of_new_run = says("of the new run");
    setup.tells(&of_new_run, Source::Miss, "of the new run").await;
    setup.tells(&says("unused"), Source::Memory, "of the new run").await;
}

#[tokio::test]
async fn before_a_generation_is_known_nothing_is_kept() {
    let setup = setup(60_000, 30_000, 600_000);
    for text in ["one", "two"] {
        setup.tells(&says(text), Source::Bypass, text).await;
    }
    setup.publish(1);
    setup.connect();
    setup.tells(&says("three"), Source::Miss, "three").await;
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_wait_and_forgotten() {
    let (setup, failure) = (current(), fails(Broken::Away));
    for answer in join_all((0..5).map(|_| setup.ask(&failure))).await {
        assert_eq!(*answer.unwrap_err(), Broken::Away);
    }
    assert_eq!(failure.asked.load(Ordering::Relaxed), 1);
    setup.tells(&says("answer"), Source::Miss, "answer").await;
}

#[tokio::test]
async fn an_aged_answer_is_given_while_one_computes_it_anew() {
    let setup = connected(400, 60_000, 0);
    let answer = Arc::new(Says { text: Ok("answer"), wait: Duration::from_millis(400), asked: Arc::default() });
    setup.tells(&answer, Source::Miss, "answer").await;
    pass(20).await;
    for _ in 0..5 {
        setup.tells(&answer, Source::Stale, "answer").await;
    }
    pass(600).await;
    assert_eq!(answer.asked.load(Ordering::Relaxed), 2, "once at first, once for the five");
}

#[tokio::test]
async fn an_outdated_answer_is_given_only_where_computing_fails_and_then_at_once() {
    let setup = current();
    setup.tells(&says("of the first run"), Source::Miss, "of the first run").await;
    setup.publish(2);
    let failure = fails(Broken::Away);
    for _ in 0..5 {
        setup.tells(&failure, Source::Stale, "of the first run").await;
    }
    assert_eq!(failure.asked.load(Ordering::Relaxed), 1, "after a failure nobody tries for a moment");
    pass(1_050).await;
    setup.tells(&says("of the second run"), Source::Miss, "of the second run").await;
}

#[tokio::test]
async fn an_answer_that_is_no_more_is_not_given_stale() {
    let setup = current();
    setup.tells(&says("answer"), Source::Miss, "answer").await;
    setup.publish(2);
    assert!(setup.ask(&fails(Broken::Gone)).await.is_err());
    // Not either when the next one fails: it was forgotten.
    assert!(setup.ask(&fails(Broken::Away)).await.is_err());
}

#[tokio::test]
async fn without_the_database_what_is_kept_is_given_at_once_beyond_its_time_too() {
    let setup = connected(30, 0, 60_000);
    setup.tells(&says("answer"), Source::Miss, "answer").await;
    setup.feed.disconnected();
    pass(40).await;
    let slow = Arc::new(Says { text: Err(Broken::Away), wait: Duration::from_secs(60), asked: Arc::default() });
    for _ in 0..5 {
        setup.tells(&slow, Source::Stale, "answer").await;
    }
    // Long enough for the answer that was computed anew to be outdated too.
    pass(150).await;
    assert_eq!(slow.asked.load(Ordering::Relaxed), 0, "the entry's own question is asked again, and by one");
    setup.connect();
    setup.tells(&says("anew"), Source::Miss, "anew").await;
}

#[tokio::test]
async fn a_touched_movie_is_computed_anew_once_its_answer_is_half_a_second_old() {
    let setup = current();
    setup.tells(&says("before"), Source::Miss, "before").await;
    setup.cache.touched.movies(&[551]);
    setup.cache.touched.movies(&[550]);
    setup.tells(&says("unused"), Source::Memory, "before").await;
    pass(510).await;
    setup.tells(&says("after"), Source::Miss, "after").await;
    pass(510).await;
    setup.tells(&says("unused"), Source::Memory, "after").await;
    setup.cache.outdate_live();
    setup.tells(&says("anew"), Source::Miss, "anew").await;
}

#[tokio::test]
async fn purged_answers_are_not_given_even_where_computing_fails() {
    let setup = current();
    setup.tells(&says("answer"), Source::Miss, "answer").await;
    setup.cache.purge(CacheFamily::Search);
    setup.tells(&says("unused"), Source::Memory, "answer").await;
    setup.cache.purge(FAMILY);
    assert!(setup.ask(&fails(Broken::Away)).await.is_err());
}

#[tokio::test]
async fn what_is_asked_often_is_warmed() {
    let (setup, answer) = (current(), says("answer"));
    for _ in 0..5 {
        setup.ask(&answer).await.unwrap();
    }
    setup.publish(2);
    assert_eq!(setup.cache.warm_family(FAMILY).await, 1);
    assert_eq!(answer.asked.load(Ordering::Relaxed), 2);
    setup.tells(&says("unused"), Source::Memory, "answer").await;
    assert_eq!(setup.cache.warm_family(CacheFamily::Search).await, 0);
}
