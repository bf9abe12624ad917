//! A batch as a whole.

use domain::ingest::{Record, Source};
use domain::movies::{DailyMetrics, Movie, Rating};
use sqlx::PgPool;
use storage::postgres::catalogue::{self, IngestCounts};
use test_support::fixture;

use crate::support::{at, count, write};

fn titled(id: i64, title: &str) -> Record {
    Record::Movie(Box::new(Movie::titled(fixture::movie_id(id), title)))
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_batch_written_twice_changes_nothing_the_second_time(pool: PgPool) {
    let records = || -> Vec<Record> {
        let movies = fixture::movies().into_iter().map(|movie| Record::Movie(Box::new(movie)));
        movies.chain(fixture::metrics().into_iter().map(Record::Metrics)).collect()
    };
    let first = write(&pool, Source::Demo, records()).await;
    assert_eq!(first, IngestCounts { movies_added: 8, metrics: 64, ..IngestCounts::default() });
    let second = write(&pool, Source::Demo, records()).await;
    assert_eq!(second, IngestCounts { movies_unchanged: 8, ..IngestCounts::default() });
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn of_two_records_with_one_key_the_later_counts(pool: PgPool) {
    let movie_id = fixture::movie_id(1);
    let rating = |rating, hour| Record::Rating(Rating { user_id: 3, movie_id, rating, rated_at: at(hour, 0) });
    let metrics = |popularity| {
        Record::Metrics(DailyMetrics { movie_id, day: fixture::today(), popularity, vote_average: 1.0, vote_count: 1 })
    };
    let records =
        vec![titled(1, "First"), rating(4.0, 1), metrics(1.0), titled(1, "Second"), rating(5.0, 2), metrics(2.0)];
    let counts = write(&pool, Source::Demo, records).await;
    assert_eq!(counts, IngestCounts { movies_added: 1, ratings: 1, metrics: 1, ..IngestCounts::default() });
    let stored: (String, f32, f64) = sqlx::query_as(
        "SELECT title, rating, d.popularity FROM movies JOIN ratings USING (movie_id)
         JOIN movie_metrics_daily d USING (movie_id)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(stored, ("Second".to_owned(), 5.0, 2.0));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn facts_may_come_before_their_movie_within_one_batch(pool: PgPool) {
    let rating = Record::Rating(Rating { user_id: 3, movie_id: fixture::movie_id(1), rating: 4.0, rated_at: at(1, 0) });
    let counts = write(&pool, Source::Demo, vec![rating, titled(1, "Late")]).await;
    assert_eq!(counts, IngestCounts { movies_added: 1, ratings: 1, ..IngestCounts::default() });
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_batch_that_is_rolled_back_leaves_nothing(pool: PgPool) {
    let mut tx = pool.begin().await.unwrap();
    catalogue::write(&mut tx, Source::Demo, vec![titled(1, "Gone")]).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!((count(&pool, "movies").await, count(&pool, "movie_search").await), (0, 0));
    assert_eq!(write(&pool, Source::Demo, vec![]).await, IngestCounts::default());
}
