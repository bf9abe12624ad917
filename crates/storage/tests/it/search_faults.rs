//! Searches while Meilisearch is slow, broken or away.

use std::time::{Duration, Instant};

use domain::search::{Engine, SearchQuery};
use sqlx::PgPool;
use storage::search_index::SearchIndex;
use test_support::faulty::{Fault, FaultyServer};
use test_support::fixture;
use test_support::proxy::Proxy;

fn matrix() -> SearchQuery {
    SearchQuery { text: "matrix".into(), ..SearchQuery::default() }
}

/// The time of one search, which PostgreSQL must answer.
async fn fallback(index: &SearchIndex) -> Duration {
    let started = Instant::now();
    let results = index.search(&matrix()).await.unwrap();
    assert_eq!((results.engine, results.total), (Engine::Postgres, 2));
    started.elapsed()
}

/// The slowest but 5 of 100 searches with each index, taken in turns so that both have the same machine.
async fn p95<const N: usize>(indexes: [&SearchIndex; N]) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..100 {
        for (times, index) in times.iter_mut().zip(indexes) {
            times.push(fallback(index).await);
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[94]
    })
}

/// The slowest of twenty searches at once.
async fn slowest_of_20(index: &SearchIndex) -> Duration {
    let times = futures::future::join_all((0..20).map(|_| fallback(index))).await;
    times.into_iter().max().unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn searches_do_not_wait_for_a_broken_meilisearch(pool: PgPool) {
    let pool = test_support::service_pool(&pool).await;
    fixture::catalogue(&pool).await;
    let alone = SearchIndex::new(pool.clone(), None).unwrap();
    for fault in [Fault::Hang, Fault::Error(Duration::ZERO), Fault::Error(Duration::from_millis(700))] {
        let server = FaultyServer::start(fault).await;
        let index = SearchIndex::new(pool.clone(), Some((&server.url, None, "movies"))).unwrap();
        // What twenty at once cost without Meilisearch, on this machine at this moment.
        let own = slowest_of_20(&alone).await;
        // All that come while nobody knows: none waits longer than until the third has failed.
        let away = slowest_of_20(&index).await;
        assert!(away < own + Duration::from_secs(1), "{fault:?}: {away:?}, PostgreSQL alone {own:?}");
        let [own, away] = p95([&alone, &index]).await;
        assert!(away < own + Duration::from_millis(5), "{fault:?}: {away:?}, PostgreSQL alone {own:?}");
        assert!(server.connections() <= 21, "{fault:?}: asked {} times", server.connections());
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn meilisearch_is_used_again_when_it_is_back(pool: PgPool) {
    let Some(url) = test_support::meili_url() else { return eprintln!("MEILI_URL is not set: skipped") };
    let (key, name) = (test_support::meili_key(), test_support::unique_prefix());
    let pool = test_support::service_pool(&pool).await;
    fixture::catalogue(&pool).await;
    let proxy = Proxy::before(&url).await;
    let index = SearchIndex::new(pool.clone(), Some((&proxy.url(&url), key.as_ref(), &name))).unwrap();
    crate::search_index::fill(&pool, &index).await;
    assert_eq!(index.search(&matrix()).await.unwrap().engine, Engine::Meilisearch);
    proxy.cut();
    for _ in 0..10 {
        fallback(&index).await;
    }
    proxy.mend();
    test_support::eventually("Meilisearch answers", Duration::from_secs(10), async || {
        let engine = index.search(&matrix()).await.unwrap().engine;
        if engine == Engine::Meilisearch { Ok(()) } else { Err(engine) }
    })
    .await;
    index.meilisearch().unwrap().drop_index().await.unwrap();
}
