//! The cache by itself: Redis is away in all of these.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::test::TestRequest;
use bytes::Bytes;
use domain::MovieId;
use domain::artifacts::CacheFamily;
use futures::future::{BoxFuture, join_all};
use settings::CacheSettings;

use super::question::Ask;
use super::{Generations, Live, ResponseCache, Subject, Touched, key};
use crate::error::ApiError;

const FAMILY: CacheFamily = CacheFamily::Movies;

struct World {
    cache: Arc<ResponseCache>,
    generations: Arc<Generations>,
    touched: Arc<Touched>,
}

/// With these milliseconds of freshness, and as many again for each kind of staleness.
fn world(fresh: u64, revalidate: u64, error: u64) -> World {
    let settings = CacheSettings {
        url: "redis://127.0.0.1:1".into(),
        prefix: "test".into(),
        memory_bytes: 1024 * 1024,
        ttl: CacheFamily::ALL.map(|family| (family, Duration::from_millis(fresh))).to_vec(),
        stale_while_revalidate: Duration::from_millis(revalidate),
        stale_if_error: Duration::from_millis(error),
        warm: 10,
    };
    let (generations, touched) = (Arc::new(Generations::default()), Arc::new(Touched::new(Duration::from_secs(60))));
    let cache = ResponseCache::new(&settings, generations.clone(), touched.clone()).unwrap();
    World { cache: Arc::new(cache), generations, touched }
}

fn current() -> World {
    let world = world(60_000, 30_000, 600_000);
    world.generations.hear(FAMILY, 1);
    world.generations.link();
    world
}

/// Answers with its text, after a while; without one it fails as a database that is away.
struct Says {
    text: Option<&'static str>,
    wait: Duration,
    asked: Arc<AtomicUsize>,
}

impl Ask for Says {
    fn ask(&self) -> BoxFuture<'_, Result<Bytes, ApiError>> {
        Box::pin(async {
            self.asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.wait).await;
            let away = || ApiError::Storage(storage::StorageError::Queue("gone".into()));
            self.text.map(|text| Bytes::from_static(text.as_bytes())).ok_or_else(away)
        })
    }
}

fn says(text: &'static str) -> Arc<Says> {
    Arc::new(Says { text: Some(text), wait: Duration::from_millis(20), asked: Arc::default() })
}

fn fails() -> Arc<Says> {
    Arc::new(Says { text: None, wait: Duration::from_millis(10), asked: Arc::default() })
}

impl World {
    async fn ask(&self, says: &Arc<Says>) -> Result<HttpResponse, ApiError> {
        let request = TestRequest::get().to_http_request();
        let subject = Subject { family: FAMILY, key: key(FAMILY, "/question"), live: Live::Movie(movie()) };
        self.cache.answer(&request, subject, || says.clone()).await
    }

    /// `X-Cache` and body.
    async fn told(&self, says: &Arc<Says>) -> (String, String) {
        let answer = self.ask(says).await.unwrap();
        let cache = answer.headers().get("x-cache").unwrap().to_str().unwrap().to_owned();
        let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
        (cache, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn tells(&self, says: &Arc<Says>, cache: &str, body: &str) {
        assert_eq!(self.told(says).await, (cache.to_owned(), body.to_owned()));
    }
}

fn movie() -> MovieId {
    MovieId::new(550).unwrap()
}

async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[actix_web::test]
async fn one_of_many_who_ask_at_once_computes() {
    let (world, answer) = (current(), says("answer"));
    for (cache, _) in join_all((0..50).map(|_| world.told(&answer))).await {
        assert_eq!(cache, "MISS");
    }
    assert_eq!(answer.asked.load(Ordering::Relaxed), 1);
    world.tells(&says("other"), "HIT", "answer").await;
}

#[actix_web::test]
async fn what_was_computed_while_a_run_was_published_is_not_given_under_the_new_generation() {
    let world = current();
    let publish = async {
        pass(5).await;
        world.generations.hear(FAMILY, 2);
    };
    let of_old_run = says("of the old run");
    futures::join!(world.tells(&of_old_run, "MISS", "of the old run"), publish);
    let of_new_run = says("of the new run");
    world.tells(&of_new_run, "MISS", "of the new run").await;
    world.tells(&says("unused"), "HIT", "of the new run").await;
}

#[actix_web::test]
async fn before_a_generation_is_known_nothing_is_kept() {
    let world = world(60_000, 30_000, 600_000);
    for text in ["one", "two"] {
        world.tells(&says(text), "BYPASS", text).await;
    }
    world.generations.hear(FAMILY, 1);
    world.generations.link();
    world.tells(&says("three"), "MISS", "three").await;
}

#[actix_web::test]
async fn a_failure_is_told_to_all_who_wait_and_forgotten() {
    let (world, failure) = (current(), fails());
    for answer in join_all((0..5).map(|_| world.ask(&failure))).await {
        assert_eq!(answer.unwrap_err().cause().as_deref(), Some("queue: gone"));
    }
    assert_eq!(failure.asked.load(Ordering::Relaxed), 1);
    world.tells(&says("answer"), "MISS", "answer").await;
}

#[actix_web::test]
async fn an_aged_answer_is_given_while_one_computes_it_anew() {
    let world = world(400, 60_000, 0);
    world.generations.hear(FAMILY, 1);
    world.generations.link();
    let answer = Arc::new(Says { text: Some("answer"), wait: Duration::from_millis(400), asked: Arc::default() });
    world.tells(&answer, "MISS", "answer").await;
    pass(20).await;
    for _ in 0..5 {
        world.tells(&answer, "STALE", "answer").await;
    }
    pass(600).await;
    assert_eq!(answer.asked.load(Ordering::Relaxed), 2, "once at first, once for the five");
}

#[actix_web::test]
async fn an_outdated_answer_is_given_only_where_computing_fails_and_then_at_once() {
    let world = current();
    world.tells(&says("of the first run"), "MISS", "of the first run").await;
    world.generations.hear(FAMILY, 2);
    let failure = fails();
    for _ in 0..5 {
        world.tells(&failure, "STALE", "of the first run").await;
    }
    assert_eq!(failure.asked.load(Ordering::Relaxed), 1, "after a failure nobody tries for a moment");
    pass(1_050).await;
    world.tells(&says("of the second run"), "MISS", "of the second run").await;
}

#[actix_web::test]
async fn an_answer_that_is_no_more_is_not_given_stale() {
    let world = current();
    world.tells(&says("answer"), "MISS", "answer").await;
    world.generations.hear(FAMILY, 2);
    struct Gone;
    impl Ask for Gone {
        fn ask(&self) -> BoxFuture<'_, Result<Bytes, ApiError>> {
            Box::pin(async { Err(ApiError::NotFound { field: "id", what: "movie 550".into() }) })
        }
    }
    let request = TestRequest::get().to_http_request();
    let subject = || Subject { family: FAMILY, key: key(FAMILY, "/question"), live: Live::Nothing };
    assert!(world.cache.answer(&request, subject(), || Arc::new(Gone)).await.is_err());
    // Not either when the next one fails: it was forgotten.
    assert!(world.ask(&fails()).await.is_err());
}

#[actix_web::test]
async fn without_the_database_what_is_kept_is_given_at_once_beyond_its_time_too() {
    let world = world(30, 0, 60_000);
    world.generations.hear(FAMILY, 1);
    world.generations.link();
    world.tells(&says("answer"), "MISS", "answer").await;
    world.generations.lose();
    pass(40).await;
    let slow = Arc::new(Says { text: None, wait: Duration::from_secs(60), asked: Arc::default() });
    for _ in 0..5 {
        world.tells(&slow, "STALE", "answer").await;
    }
    // Long enough for the answer that was computed anew to be outdated too.
    pass(150).await;
    assert_eq!(slow.asked.load(Ordering::Relaxed), 0, "the entry's own question is asked again, and by one");
    world.generations.link();
    world.tells(&says("anew"), "MISS", "anew").await;
}

#[actix_web::test]
async fn a_touched_movie_is_computed_anew_once_its_answer_is_half_a_second_old() {
    let world = current();
    world.tells(&says("before"), "MISS", "before").await;
    world.touched.movies(vec![551]);
    world.touched.movies(vec![550]);
    world.tells(&says("unused"), "HIT", "before").await;
    pass(510).await;
    world.tells(&says("after"), "MISS", "after").await;
    pass(510).await;
    world.tells(&says("unused"), "HIT", "after").await;
    world.touched.everything();
    world.tells(&says("anew"), "MISS", "anew").await;
}

#[actix_web::test]
async fn purged_answers_are_not_given_even_where_computing_fails() {
    let world = current();
    world.tells(&says("answer"), "MISS", "answer").await;
    world.cache.purge(CacheFamily::Search);
    world.tells(&says("unused"), "HIT", "answer").await;
    world.cache.purge(FAMILY);
    assert!(world.ask(&fails()).await.is_err());
}

#[actix_web::test]
async fn what_is_asked_often_is_warmed() {
    let (world, answer) = (current(), says("answer"));
    for _ in 0..5 {
        world.told(&answer).await;
    }
    world.generations.hear(FAMILY, 2);
    assert_eq!(world.cache.warm_family(FAMILY).await, 1);
    assert_eq!(answer.asked.load(Ordering::Relaxed), 2);
    world.tells(&says("unused"), "HIT", "answer").await;
    assert_eq!(world.cache.warm_family(CacheFamily::Search).await, 0);
}
