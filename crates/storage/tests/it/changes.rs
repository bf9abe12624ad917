//! The change feed against a real server.

use std::sync::Arc;
use std::time::Duration;

use domain::artifacts::CacheFamily;
use domain::jobs::JobKind;
use sqlx::PgPool;
use storage::changes::{Change, ChangeFeed, Generation};
use storage::postgres::changes;
use storage::postgres::jobs::{NewJob, enqueue, lease};
use tokio::sync::broadcast::Receiver;
use tokio::task::JoinHandle;

/// Longest that a notification may take on a busy machine.
const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(10);

async fn followed(pool: &PgPool) -> (Arc<ChangeFeed>, Receiver<Change>, JoinHandle<()>) {
    let feed = Arc::new(ChangeFeed::default());
    let mut changes = feed.subscribe();
    let (follower, pool) = (feed.clone(), pool.clone());
    let task = tokio::spawn(async move { match follower.follow(&pool).await {} });
    assert_eq!(next(&mut changes).await, Change::Everything);
    (feed, changes, task)
}

async fn next<T: Clone>(changes: &mut Receiver<T>) -> T {
    tokio::time::timeout(NOTIFICATION_TIMEOUT, changes.recv()).await.expect("nothing was told").unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_a_transaction_changes_is_told_when_it_commits(pool: PgPool) {
    let (feed, mut changes, task) = followed(&pool).await;
    let Generation::Current(before) = feed.generation(CacheFamily::Search) else { panic!("not read") };

    let mut rolled_back = pool.begin().await.unwrap();
    changes::bump(&mut rolled_back, &[CacheFamily::Movies]).await.unwrap();
    rolled_back.rollback().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    changes::bump(&mut tx, &[CacheFamily::Search]).await.unwrap();
    changes::touch(&mut tx, [550, 603]).await.unwrap();
    assert!(changes.try_recv().is_err(), "nothing is told before the commit");
    tx.commit().await.unwrap();

    let (one, other) = (next(&mut changes).await, next(&mut changes).await);
    let expected = [Change::Generation(CacheFamily::Search, before + 1), Change::Movies([550, 603].into())];
    assert!([one.clone(), other.clone()].iter().all(|change| expected.contains(change)), "{one:?} {other:?}");
    assert_eq!(feed.generation(CacheFamily::Search), Generation::Current(before + 1));
    task.abort();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn more_movies_than_one_message_holds_are_told_in_several(pool: PgPool) {
    let (_feed, mut changes, task) = followed(&pool).await;
    let sent: Vec<i64> = (1_000_000_000..1_000_003_000).collect();
    changes::touch(&mut pool.acquire().await.unwrap(), sent.iter().copied()).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < sent.len() {
        match next(&mut changes).await {
            Change::Movies(movies) => heard.extend(movies.iter().copied()),
            other => panic!("{other:?}"),
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, sent);
    task.abort();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_purge_is_told_with_the_generation_that_it_moves(pool: PgPool) {
    let (_feed, mut changes, task) = followed(&pool).await;
    changes::purge(&pool, &[CacheFamily::Trends]).await.unwrap();
    let told = [next(&mut changes).await, next(&mut changes).await];
    assert!(told.contains(&Change::Purged(CacheFamily::Trends)), "{told:?}");
    assert!(told.iter().any(|change| matches!(change, Change::Generation(CacheFamily::Trends, _))), "{told:?}");
    task.abort();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_is_told_of_when_it_moves_on_and_not_when_its_heart_beats(pool: PgPool) {
    let (feed, _changes, task) = followed(&pool).await;
    let mut jobs = feed.subscribe_jobs();
    let mut conn = pool.acquire().await.unwrap();
    let (job, _) = enqueue(&mut conn, NewJob::of(JobKind::Trending, "test")).await.unwrap();
    let (_, held) = lease::claim(&pool, job.id, "worker").await.unwrap().unwrap();
    assert_eq!(next(&mut jobs).await, job.id, "claimed");
    let progress = |done| lease::Progress { done, total: Some(10), phase: None };
    lease::heartbeat(&pool, held, &progress(5)).await.unwrap();
    assert_eq!(next(&mut jobs).await, job.id, "progress");
    lease::heartbeat(&pool, held, &progress(5)).await.unwrap();
    lease::heartbeat(&pool, held, &progress(6)).await.unwrap();
    assert_eq!(next(&mut jobs).await, job.id);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(jobs.try_recv().is_err(), "a heartbeat without news was told");
    task.abort();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn after_a_lost_connection_everything_may_have_changed(pool: PgPool) {
    let (feed, mut changes, task) = followed(&pool).await;
    let Generation::Current(before) = feed.generation(CacheFamily::Movies) else { panic!("not read") };
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(next(&mut changes).await, Change::Everything, "said once it is connected again");
    assert_eq!(feed.generation(CacheFamily::Movies), Generation::Current(before));
    task.abort();
}
