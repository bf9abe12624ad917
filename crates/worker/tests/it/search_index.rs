//! The search index job.

use domain::jobs::{JobKind, JobStatus};
use domain::search::{Engine, SearchQuery};
use secrecy::ExposeSecret;
use sqlx::PgPool;
use storage::search_index::SearchIndex;

use crate::support::Stack;

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
    let meilisearch = index.meilisearch().unwrap();
    assert_eq!(meilisearch.indexes().await.unwrap(), [name], "builds are swapped in and dropped");
    meilisearch.drop_index().await.unwrap();
    worker.stop().await;
}
