//! How far a source has been read, and who may read it.

use std::time::Duration;

use domain::ingest::Source;
use serde_json::json;
use sqlx::PgPool;
use storage::postgres::catalogue;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_cursor_moves_with_the_transaction_that_it_speaks_of(pool: PgPool) {
    assert_eq!(catalogue::cursor(&pool, Source::Tmdb).await.unwrap(), None);
    for (page, commits) in [(1, true), (2, true), (3, false)] {
        let mut tx = pool.begin().await.unwrap();
        catalogue::save_cursor(&mut tx, Source::Tmdb, &json!({"page": page})).await.unwrap();
        if commits {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
    }
    assert_eq!(catalogue::cursor(&pool, Source::Tmdb).await.unwrap(), Some(json!({"page": 2})));
    assert_eq!(catalogue::cursor(&pool, Source::Demo).await.unwrap(), None, "another source's");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_source_is_held_by_one_writer_until_its_guard_is_dropped(pool: PgPool) {
    let held = catalogue::lock(&pool, Source::Tmdb).await.unwrap().unwrap();
    assert!(catalogue::lock(&pool, Source::Tmdb).await.unwrap().is_none());
    assert!(catalogue::lock(&pool, Source::Demo).await.unwrap().is_some(), "another source is free");
    drop(held);
    // The server ends the session when it notices that the connection is closed.
    test_support::eventually("the source is free again", Duration::from_secs(10), async || {
        catalogue::lock(&pool, Source::Tmdb).await.unwrap()
    })
    .await;
}
