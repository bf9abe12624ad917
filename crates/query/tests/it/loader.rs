use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use query::lag::Lag;
use query::movies::MovieLoader;
use sqlx::PgPool;
use test_support::fixture::{self, movie_id};
use test_support::{live, service_pool, unique_prefix};

async fn loader(pool: &PgPool) -> MovieLoader {
    let lag = Lag::new(live::log(&unique_prefix(), 1), Duration::from_secs(60));
    MovieLoader::new(&service_pool(pool).await, Arc::new(lag))
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn every_request_of_a_batch_gets_its_own_movie(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let loader = loader(&pool).await;
    // Movies that are there, movies that are not, many asked for twice, and more than one batch holds.
    let ids: Vec<i64> = (0..1_000).map(|i| if i % 3 == 0 { 550 } else { 100 + i }).collect();
    let movies = join_all(ids.iter().map(|id| loader.load(movie_id(*id)))).await;
    let known: Vec<i64> = fixture::movies().iter().map(|movie| movie.id.get()).collect();
    for (id, movie) in ids.iter().zip(movies) {
        assert_eq!(movie.unwrap().map(|page| page.movie.movie_id), known.contains(id).then_some(*id));
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn requests_given_up_leave_the_others_of_their_batch_alone(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let loader = loader(&pool).await;
    // Asked once, then dropped: its place in the batch is taken, its receiver gone.
    let mut given_up = Box::pin(loader.load(movie_id(603)));
    let _ = futures::poll!(given_up.as_mut());
    drop(given_up);
    assert_eq!(loader.load(movie_id(550)).await.unwrap().map(|page| page.movie.movie_id), Some(550));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_failed_query_fails_those_who_waited_for_it_and_nobody_after(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let loader = loader(&pool).await;
    sqlx::query("ALTER TABLE movies RENAME TO movies_away").execute(&pool).await.unwrap();
    let failed = join_all((0..10).map(|_| loader.load(movie_id(550)))).await;
    assert!(failed.iter().all(Result::is_err));
    sqlx::query("ALTER TABLE movies_away RENAME TO movies").execute(&pool).await.unwrap();
    assert!(loader.load(movie_id(550)).await.unwrap().is_some());
}
