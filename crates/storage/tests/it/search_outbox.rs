//! Changes on their way to the search index, and builds beside them.

use sqlx::PgPool;
use storage::postgres::search_outbox as outbox;
use test_support::fixture::{self, movie_id};
use uuid::Uuid;

const INDEX: &str = "movies";

async fn rename(pool: &PgPool, movie: i64) {
    sqlx::query("UPDATE movies SET title = title || '!' WHERE movie_id = $1").bind(movie).execute(pool).await.unwrap();
}

async fn pending(pool: &PgPool) -> Vec<i64> {
    let changes = outbox::pending(pool, INDEX, 100).await.unwrap();
    changes.iter().map(|change| change.movie_id.get()).collect()
}

/// Sends what is pending, as the worker does.
async fn send(pool: &PgPool, writer: Uuid) -> bool {
    let changes = outbox::pending(pool, INDEX, 100).await.unwrap();
    outbox::settle(pool, INDEX, writer, &changes).await.unwrap()
}

/// An index that a worker keeps, with its writer's token.
async fn kept(pool: &PgPool) -> Uuid {
    assert!(outbox::keep(pool, INDEX).await.unwrap(), "changes before it was kept are missed");
    assert!(!outbox::keep(pool, INDEX).await.unwrap());
    let writer = Uuid::new_v4();
    assert!(outbox::take_writer(pool, INDEX, writer).await.unwrap());
    writer
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_an_index_that_is_kept_nothing_is_recorded(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let rows =
        async || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM search_outbox").fetch_one(&pool).await.unwrap();
    assert_eq!(rows().await, 0);
    kept(&pool).await;
    rename(&pool, 238).await;
    assert_eq!(rows().await, 1);
    // Its workers are gone for two days.
    sqlx::query("UPDATE search_indexes SET seen_at = now() - interval '2 days'").execute(&pool).await.unwrap();
    rename(&pool, 550).await;
    assert_eq!(rows().await, 1);
    assert_eq!(outbox::forget_unkept(&pool).await.unwrap(), 1);
    assert_eq!(rows().await, 0);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn changes_are_coalesced_and_recorded_with_their_transaction(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let writer = kept(&pool).await;
    rename(&pool, 238).await;
    rename(&pool, 238).await;
    rename(&pool, 550).await;
    // Nothing that a document shows.
    sqlx::query("UPDATE movies SET runtime = 1 WHERE movie_id = 129").execute(&pool).await.unwrap();
    let mut rolled_back = pool.begin().await.unwrap();
    sqlx::query("UPDATE movies SET title = 'No'").execute(&mut *rolled_back).await.unwrap();
    rolled_back.rollback().await.unwrap();
    assert_eq!(pending(&pool).await, [238, 550]);
    // A movie that changes while it is sent stays.
    let changes = outbox::pending(&pool, INDEX, 100).await.unwrap();
    rename(&pool, 550).await;
    assert!(outbox::settle(&pool, INDEX, writer, &changes).await.unwrap());
    assert_eq!(pending(&pool).await, [550]);
    assert!(!outbox::settle(&pool, INDEX, Uuid::new_v4(), &changes).await.unwrap(), "the lease is another's");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_build_and_the_changes_beside_it_lose_nothing_of_each_other(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let (writer, build) = (kept(&pool).await, Uuid::new_v4());
    rename(&pool, 238).await;
    // Begun before the build, committed after it has begun: it may have read the movie before.
    let mut slow = pool.begin().await.unwrap();
    sqlx::query("UPDATE movies SET title = 'Slow' WHERE movie_id = 603").execute(&mut *slow).await.unwrap();
    assert!(outbox::take_build(&pool, INDEX, build).await.unwrap());
    assert!(!outbox::take_build(&pool, INDEX, Uuid::new_v4()).await.unwrap(), "one build at a time");
    slow.commit().await.unwrap();
    rename(&pool, 550).await;
    assert!(send(&pool, writer).await);
    assert!(pending(&pool).await.is_empty(), "the live index has them");
    rename(&pool, 129).await;
    assert_eq!(outbox::movies(&pool, INDEX, 100).await.unwrap(), [129, 238, 550, 603]);
    outbox::end_build(&pool, INDEX, build, true).await.unwrap();
    assert_eq!(pending(&pool).await, [129, 550, 603], "for the new index; 238 was read by the build");

    // A build that dies: what it has not taken over is sent again to be sure.
    let dead = Uuid::new_v4();
    assert!(outbox::take_build(&pool, INDEX, dead).await.unwrap());
    assert!(send(&pool, writer).await);
    sqlx::query("UPDATE search_indexes SET build_until = now() - interval '1 second'").execute(&pool).await.unwrap();
    assert!(!outbox::renew_build(&pool, INDEX, dead).await.unwrap());
    assert_eq!(pending(&pool).await, [129, 550, 603]);
    assert!(outbox::take_build(&pool, INDEX, Uuid::new_v4()).await.unwrap());
    outbox::end_build(&pool, INDEX, dead, true).await.unwrap();
    assert_eq!(outbox::movies(&pool, INDEX, 100).await.unwrap().len(), 3, "a dead build settles nothing");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_observation_changes_the_document(pool: PgPool) {
    fixture::catalogue(&pool).await;
    kept(&pool).await;
    let seen = domain::events::Observation {
        movie_id: movie_id(238),
        observed_at: chrono::Utc::now(),
        popularity: 91.5,
        vote_average: 8.0,
        vote_count: 1_001,
    };
    let mut tx = pool.begin().await.unwrap();
    storage::postgres::speed::record(&mut tx, &[seen]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(pending(&pool).await, [238]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn movies_of_a_dump_are_recorded_though_it_is_loaded_without_a_search_path(pool: PgPool) {
    kept(&pool).await;
    let mut loading = pool.begin().await.unwrap();
    sqlx::query("SET LOCAL search_path = ''").execute(&mut *loading).await.unwrap();
    sqlx::query("INSERT INTO public.movies (movie_id, title, source) VALUES (1, 'One', 'demo')")
        .execute(&mut *loading)
        .await
        .unwrap();
    loading.commit().await.unwrap();
    assert_eq!(pending(&pool).await, [1]);
}
