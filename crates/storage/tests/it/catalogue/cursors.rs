//! How far a source has been read, and who may read it.

use std::time::Duration;

use domain::ingest::Source;
use serde_json::json;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::catalogue::{self, SourceLease, Taken};

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

async fn take(pool: &PgPool, source: Source, holder: &str) -> Option<SourceLease> {
    match SourceLease::take(pool, source, holder).await.unwrap() {
        Taken::Lease(lease) => Some(lease),
        Taken::HeldBy(_) => None,
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_source_is_held_by_one_writer_until_it_gives_it_back_or_its_host_is_dead(pool: PgPool) {
    let held = take(&pool, Source::Tmdb, "first").await.unwrap();
    let Taken::HeldBy(holder) = SourceLease::take(&pool, Source::Tmdb, "second").await.unwrap() else {
        panic!("taken")
    };
    assert_eq!(holder, "first");
    assert!(take(&pool, Source::Demo, "second").await.is_some(), "another source is free");
    held.release().await;
    let dead = take(&pool, Source::Tmdb, "second").await.expect("the source is free again");

    sqlx::query("UPDATE source_leases SET expires_at = now() - interval '1 second'").execute(&pool).await.unwrap();
    let successor = take(&pool, Source::Tmdb, "third").await.expect("a dead host's lease ends");
    let mut conn = pool.acquire().await.unwrap();
    let refused = dead.check(&mut conn).await.unwrap_err();
    assert!(matches!(refused, StorageError::LeaseLost(_)), "{refused}");
    successor.check(&mut conn).await.unwrap();
    let again = take(&pool, Source::Tmdb, "third").await.expect("a holder takes its own lease over");
    successor.check(&mut conn).await.unwrap_err();
    drop(again);
    test_support::eventually("a dropped lease is free", Duration::from_secs(10), async || {
        take(&pool, Source::Tmdb, "fourth").await
    })
    .await;
}
