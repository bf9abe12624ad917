//! The search index job.

use domain::jobs::{JobKind, JobStatus};
use domain::search::{Engine, SearchQuery};
use secrecy::ExposeSecret;
use sqlx::PgPool;
use storage::search_index::SearchIndex;

use std::time::Duration;

use test_support::faulty::{Fault, FaultyServer};
use test_support::tmdb_stub::{StubMovie, TmdbStub};

use crate::ingest::over;
use crate::support::Stack;

/// A stack with an index of its own on the real Meilisearch, and that index; `None` where there is no server.
async fn with_meilisearch(pool: &PgPool) -> Option<(Stack, SearchIndex)> {
    let Some(url) = test_support::meili_url() else {
        eprintln!("MEILI_URL is not set: skipped");
        return None;
    };
    let key = test_support::meili_key();
    let stack = Stack::new(pool).await;
    let name = stack.prefix.clone();
    let mut stack = stack.with("MEILI_URL", &url).with("MEILI_INDEX", &name).with("SEARCH_CHECK_SECONDS", "1");
    if let Some(key) = &key {
        stack = stack.with("MEILI_MASTER_KEY", key.expose_secret());
    }
    let index = SearchIndex::new(stack.pool.clone(), Some((&url, key.as_ref(), &name))).unwrap();
    Some((stack, index))
}

/// Gives the server its space back, also that of a build which the worker's end interrupted.
async fn drop_all(index: &SearchIndex) {
    let meilisearch = index.meilisearch().unwrap();
    meilisearch.sweep(&meilisearch.indexes().await.unwrap(), None).await.unwrap();
    meilisearch.drop_index().await.unwrap();
}

async fn eventually_indexed(index: &SearchIndex, documents: usize) {
    test_support::eventually("the index is complete", Duration::from_secs(60), async || {
        let found = index.meilisearch().unwrap().document_count().await.unwrap();
        if found == Some(documents) { Ok(()) } else { Err(found) }
    })
    .await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn two_builds_at_once_take_turns(pool: PgPool) {
    let Some((stack, index)) = with_meilisearch(&pool).await else { return };
    test_support::fixture::catalogue(&stack.pool).await;
    let worker = stack.worker().await;
    let (one, other) = (stack.enqueue(JobKind::SearchIndex).await, stack.enqueue(JobKind::SearchIndex).await);
    for id in [one, other] {
        let job = stack.until(id, JobStatus::Succeeded).await;
        assert_eq!((job.attempts, &job.result.unwrap()["documents"]["meilisearch"]), (1, &8.into()));
    }
    worker.stop().await;
    let meilisearch = index.meilisearch().unwrap();
    assert_eq!(meilisearch.document_count().await.unwrap(), Some(8));
    drop_all(&index).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn changes_follow_and_drift_is_repaired(pool: PgPool) {
    let Some((stack, index)) = with_meilisearch(&pool).await else { return };
    test_support::fixture::catalogue(&stack.pool).await;
    let worker = stack.worker().await;
    // Nobody asked for a build.
    eventually_indexed(&index, 8).await;
    sqlx::query("UPDATE movies SET title = 'Zardoz' WHERE movie_id = 238").execute(&stack.pool).await.unwrap();
    test_support::eventually("the change is searchable", Duration::from_secs(20), async || {
        let found = index.search(&SearchQuery { text: "zardoz".into(), ..SearchQuery::default() }).await.unwrap();
        if found.engine == Engine::Meilisearch && found.total == 1 { Ok(()) } else { Err(found) }
    })
    .await;
    // Somebody empties the server; a new hour, since repairs are bounded to one an hour.
    sqlx::query("UPDATE jobs SET idempotency_key = NULL").execute(&stack.pool).await.unwrap();
    index.meilisearch().unwrap().drop_index().await.unwrap();
    eventually_indexed(&index, 8).await;
    worker.stop().await;
    drop_all(&index).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn ingest_does_not_wait_for_a_meilisearch_that_hangs(pool: PgPool) {
    let server = FaultyServer::start(Fault::Hang).await;
    let movies: Vec<StubMovie> = (1..=40).map(|n| StubMovie::new(n, "A movie", "1999-10-15")).collect();
    let stub = TmdbStub::start(movies).await;
    let stack = over(&pool, &stub).await.with("MEILI_URL", &server.url);
    let worker = stack.worker().await;
    test_support::eventually("the index is kept", Duration::from_secs(10), async || {
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM search_indexes").fetch_one(&stack.pool).await.unwrap();
        if kept == 1 { Ok(()) } else { Err(kept) }
    })
    .await;
    let started = std::time::Instant::now();
    let job = stack.run(JobKind::Ingest).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM search_outbox").fetch_one(&stack.pool).await.unwrap();
    assert_eq!(waiting, 40, "they wait in the outbox");
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn it_heals_postgresqls_rows(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    test_support::fixture::catalogue(&stack.pool).await;
    sqlx::query("DELETE FROM movie_search").execute(&stack.pool).await.unwrap();
    let worker = stack.worker().await;
    for _ in 0..2 {
        let job = stack.run(JobKind::SearchIndex).await;
        assert_eq!(job.result.unwrap()["documents"]["postgres"], 8);
    }
    let index = SearchIndex::new(stack.pool.clone(), None).unwrap();
    let found = index.search(&SearchQuery { text: "matrix".into(), ..SearchQuery::default() }).await.unwrap();
    assert_eq!(found.total, 2);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn it_fills_meilisearch_twice_over_and_leaves_no_build_behind(pool: PgPool) {
    let Some(url) = test_support::meili_url() else {
        return eprintln!("MEILI_URL is not set: skipped");
    };
    let key = test_support::meili_key();
    let mut stack = Stack::new(&pool).await;
    let name = stack.prefix.clone();
    stack = stack.with("MEILI_URL", &url).with("MEILI_INDEX", &name);
    if let Some(key) = &key {
        stack = stack.with("MEILI_MASTER_KEY", key.expose_secret());
    }
    test_support::fixture::catalogue(&stack.pool).await;
    let worker = stack.worker().await;
    let index = SearchIndex::new(stack.pool.clone(), Some((&url, key.as_ref(), &name))).unwrap();
    for _ in 0..2 {
        let job = stack.run(JobKind::SearchIndex).await;
        assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");
        assert_eq!(job.result.unwrap()["documents"]["meilisearch"], 8);
        let found = index.search(&SearchQuery { text: "godfahter".into(), ..SearchQuery::default() }).await.unwrap();
        assert_eq!((found.engine, found.hits[0].title.as_str()), (Engine::Meilisearch, "The Godfather"));
    }
    // The worker builds once by itself too, since it finds an index of which it knows nothing.
    test_support::eventually("builds are swapped in and dropped", Duration::from_secs(20), async || {
        let indexes = index.meilisearch().unwrap().indexes().await.unwrap();
        if indexes == [name.clone()] { Ok(()) } else { Err(indexes) }
    })
    .await;
    worker.stop().await;
    drop_all(&index).await;
}
