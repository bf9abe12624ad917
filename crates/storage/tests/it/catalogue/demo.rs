//! The demo world's size, and which movies are its own.

use std::collections::HashSet;

use domain::ingest::{Record, Source};
use sqlx::PgPool;
use storage::postgres::catalogue::demo::{self, DemoWorld};
use test_support::fixture;

use crate::support::write;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_world_last_loaded_is_remembered_whole(pool: PgPool) {
    assert_eq!(demo::load(&pool).await.unwrap(), None);
    let small = DemoWorld { movies: 424, users: 500, days: 30, ratings: 20_000, seed: 42 };
    let large = DemoWorld { movies: 100_000, users: 5_000, days: 90, ratings: 1_000_000, seed: u64::MAX };
    for world in [small, large] {
        let mut conn = pool.acquire().await.unwrap();
        demo::save(&mut conn, &world).await.unwrap();
        assert_eq!(demo::load(&pool).await.unwrap(), Some(world));
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_that_another_source_described_since_is_no_longer_the_demos(pool: PgPool) {
    assert!(!demo::has_others(&pool).await.unwrap());
    fixture::catalogue(&pool).await;
    assert!(!demo::has_others(&pool).await.unwrap());
    assert_eq!(demo::own(&pool, &[238, 550, 999]).await.unwrap(), HashSet::from([238, 550]));

    let movie = fixture::movies().into_iter().find(|movie| movie.id.get() == 550).unwrap();
    write(&pool, Source::Tmdb, vec![Record::Movie(Box::new(movie))]).await;
    assert!(demo::has_others(&pool).await.unwrap());
    assert_eq!(demo::own(&pool, &[238, 550, 999]).await.unwrap(), HashSet::from([238]));
}
