//! The cache by itself: Redis is away in all of these.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::test::TestRequest;
use bytes::Bytes;
use domain::artifacts::CacheFamily;
use futures::future::join_all;
use settings::CacheSettings;

use super::{Generations, ResponseCache};
use crate::error::ApiError;

fn cache(generations: &Arc<Generations>) -> ResponseCache {
    let settings = CacheSettings {
        url: "redis://127.0.0.1:1".into(),
        prefix: "test".into(),
        memory_bytes: 1024 * 1024,
        ttl: CacheFamily::ALL.map(|family| (family, Duration::from_secs(60))).to_vec(),
    };
    ResponseCache::new(&settings, generations.clone()).unwrap()
}

fn generations(message: &str) -> Arc<Generations> {
    let generations = Arc::new(Generations::default());
    generations.hear(message);
    generations
}

async fn ask(
    cache: &ResponseCache,
    compute: impl Future<Output = Result<Bytes, ApiError>>,
) -> Result<HttpResponse, ApiError> {
    let request = TestRequest::get().to_http_request();
    cache.answer(&request, CacheFamily::Movies, "/question", async || compute.await).await
}

fn x_cache(answer: &Result<HttpResponse, ApiError>) -> &str {
    answer.as_ref().unwrap().headers().get("x-cache").unwrap().to_str().unwrap()
}

async fn body(text: &'static str) -> Result<Bytes, ApiError> {
    Ok(Bytes::from_static(text.as_bytes()))
}

#[actix_web::test]
async fn one_of_many_who_ask_at_once_computes() {
    let cache = cache(&generations("movies:1"));
    let computed = Cell::new(0);
    let asks = (0..50).map(|_| {
        ask(&cache, async {
            computed.set(computed.get() + 1);
            tokio::time::sleep(Duration::from_millis(20)).await;
            body("answer").await
        })
    });
    let answers = join_all(asks).await;
    assert_eq!(computed.get(), 1);
    assert!(answers.iter().all(|answer| x_cache(answer) == "MISS"));
    assert_eq!(x_cache(&ask(&cache, body("other")).await), "HIT");
}

#[actix_web::test]
async fn what_was_computed_while_a_run_was_published_is_not_found_under_the_new_generation() {
    let generations = generations("movies:1");
    let cache = cache(&generations);
    let slow = ask(&cache, async {
        generations.hear("movies:2");
        body("of the old run").await
    });
    assert_eq!(x_cache(&slow.await), "MISS");
    assert_eq!(x_cache(&ask(&cache, body("of the new run")).await), "MISS");
    assert_eq!(x_cache(&ask(&cache, body("unused")).await), "HIT");
}

#[actix_web::test]
async fn before_a_generation_is_known_nothing_is_kept() {
    let generations = Arc::new(Generations::default());
    let cache = cache(&generations);
    for _ in 0..2 {
        assert_eq!(x_cache(&ask(&cache, body("answer")).await), "BYPASS");
    }
    generations.hear("movies:1");
    assert_eq!(x_cache(&ask(&cache, body("answer")).await), "MISS");
}

#[actix_web::test]
async fn a_failure_is_told_to_all_who_wait_and_forgotten() {
    let cache = cache(&generations("movies:1"));
    let fail = async || {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Err(ApiError::Internal("once".into()))
    };
    for answer in join_all((0..5).map(|_| ask(&cache, fail()))).await {
        assert_eq!(answer.unwrap_err().cause().as_deref(), Some("once"));
    }
    assert_eq!(x_cache(&ask(&cache, body("answer")).await), "MISS");
}
