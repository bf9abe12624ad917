//! Movies that the source no longer has.

use std::time::Duration;

use domain::ingest::{Record, Source};
use sqlx::PgPool;
use storage::postgres::catalogue::{self, IngestCounts};
use storage::postgres::changes;
use test_support::fixture;

use crate::support::{count, write};

async fn missing(pool: &PgPool, ids: &[i64]) -> Vec<i64> {
    let ids: Vec<_> = ids.iter().copied().map(fixture::movie_id).collect();
    let mut conn = pool.acquire().await.unwrap();
    let mut gone: Vec<i64> =
        catalogue::record_missing(&mut conn, &ids).await.unwrap().into_iter().map(|id| id.get()).collect();
    gone.sort_unstable();
    gone
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_second_404_in_a_row_makes_a_tombstone_and_keeps_the_history(pool: PgPool) {
    fixture::catalogue(&pool).await;
    assert_eq!(missing(&pool, &[238, 550, 999]).await, [] as [i64; 0]);
    let doubtful: Vec<i64> = catalogue::missing_once(&pool, 10).await.unwrap().into_iter().map(|id| id.get()).collect();
    assert_eq!(doubtful.len(), 2);
    assert!(doubtful.contains(&238) && doubtful.contains(&550));
    assert_eq!(catalogue::missing_once(&pool, 1).await.unwrap().len(), 1);

    assert_eq!(missing(&pool, &[238]).await, [238]);
    assert_eq!(missing(&pool, &[238]).await, [] as [i64; 0], "once is enough");
    assert_eq!(catalogue::missing_once(&pool, 10).await.unwrap(), [fixture::movie_id(550)]);
    assert_eq!((count(&pool, "movies").await, count(&pool, "movie_search").await), (8, 7));
    assert_eq!(count(&pool, "movie_metrics_daily WHERE movie_id = 238").await, 8);
    assert_eq!(count(&pool, "movies WHERE tombstoned_at IS NOT NULL").await, 1);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_that_comes_back_is_shown_searched_and_no_longer_counted_as_missing(pool: PgPool) {
    fixture::catalogue(&pool).await;
    missing(&pool, &[238, 550]).await;
    missing(&pool, &[238]).await;
    let movies = || fixture::movies().into_iter().filter(|movie| matches!(movie.id.get(), 238 | 550));
    let records: Vec<_> = movies().map(|movie| Record::Movie(Box::new(movie))).collect();
    let counts = write(&pool, Source::Demo, records).await;
    assert_eq!(counts, IngestCounts { movies_changed: 2, ..IngestCounts::default() });
    assert_eq!(count(&pool, "movies WHERE missing_count > 0 OR tombstoned_at IS NOT NULL").await, 0);
    assert_eq!(count(&pool, "movie_search").await, 8);
    assert_eq!(missing(&pool, &[238]).await, [] as [i64; 0], "counting begins anew");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn every_listener_hears_of_a_tombstone(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let mut listener = changes::listen(&pool).await.unwrap();
    missing(&pool, &[238]).await;
    missing(&pool, &[238]).await;
    let heard = tokio::time::timeout(Duration::from_secs(10), listener.next()).await.unwrap().unwrap().unwrap();
    assert!(format!("{heard:?}").contains("238"), "{heard:?}");
}
