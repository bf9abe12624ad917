//! Daily metrics, ratings and reviews that sources bring.

use chrono::{DateTime, NaiveDate, Utc};
use domain::ingest::{Quarantined, Record, Source};
use domain::movies::{DailyMetrics, Rating, Review};
use sqlx::PgPool;
use storage::postgres::catalogue::IngestCounts;
use test_support::fixture;

use crate::support::{at, days_ago, quarantine, write};

fn metrics(movie: i64, back: i64, popularity: f64) -> Record {
    let (movie_id, day) = (fixture::movie_id(movie), days_ago(back));
    Record::Metrics(DailyMetrics { movie_id, day, popularity, vote_average: 8.0, vote_count: 5 })
}

fn rating(user_id: i64, movie: i64, rating: f32, hour: u32) -> Record {
    Record::Rating(Rating { user_id, movie_id: fixture::movie_id(movie), rating, rated_at: at(hour, 0) })
}

fn review(id: &str, movie: i64, content: &str) -> Review {
    Review {
        review_id: id.into(),
        movie_id: fixture::movie_id(movie),
        author: Some("Somebody".into()),
        rating: Some(8.0),
        content: content.into(),
        written_at: at(9, 30),
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_days_metrics_are_stored_once_and_the_last_word_counts(pool: PgPool) {
    fixture::catalogue(&pool).await;
    sqlx::query("TRUNCATE movie_metrics_daily").execute(&pool).await.unwrap();
    let first =
        write(&pool, Source::Demo, vec![metrics(550, 1, 10.0), metrics(550, 0, 11.0), metrics(9, 0, 1.0)]).await;
    assert_eq!(first, IngestCounts { metrics: 2, ..IngestCounts::default() }, "of known movies alone");
    let second = write(&pool, Source::Demo, vec![metrics(550, 1, 10.0), metrics(550, 0, 12.0)]).await;
    assert_eq!(second.metrics, 1, "the other row was there already");
    let rows: Vec<(i64, NaiveDate, f64, f64, i64)> =
        sqlx::query_as("SELECT * FROM movie_metrics_daily ORDER BY day").fetch_all(&pool).await.unwrap();
    assert_eq!(rows, [(550, days_ago(1), 10.0, 8.0, 5), (550, days_ago(0), 12.0, 8.0, 5)]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_viewers_later_rating_replaces_the_earlier_whichever_comes_first(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let records = vec![rating(1, 550, 6.0, 10), rating(2, 550, 8.0, 10), rating(1, 9, 5.0, 1), rating(2, 9, 5.0, 1)];
    let counts = write(&pool, Source::Movielens, records).await;
    assert_eq!(counts, IngestCounts { ratings: 2, quarantined: 1, ..IngestCounts::default() });
    let counts = write(&pool, Source::Movielens, vec![rating(1, 550, 9.0, 12), rating(2, 550, 1.0, 8)]).await;
    assert_eq!(counts, IngestCounts { ratings: 1, ..IngestCounts::default() });
    write(&pool, Source::Demo, vec![rating(1, 550, 2.0, 1)]).await;
    let rows: Vec<(String, i64, i64, f32, DateTime<Utc>)> =
        sqlx::query_as("SELECT * FROM ratings ORDER BY source, user_id").fetch_all(&pool).await.unwrap();
    let expected = [
        ("demo".to_owned(), 1, 550, 2.0, at(1, 0)), // Every source numbers its own viewers.
        ("movielens".to_owned(), 1, 550, 9.0, at(12, 0)),
        ("movielens".to_owned(), 2, 550, 8.0, at(10, 0)),
    ];
    assert_eq!(rows, expected);
    let unknown = Quarantined::new("ratings of movie 9", Some("movie_id"), "unknown movie", "9");
    assert_eq!(quarantine(&pool).await, [(unknown, 1)], "one row a movie, not one a rating");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_review_is_known_by_its_id_and_a_corrected_one_replaces_it(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let records = |content: &str| {
        vec![Record::Review(review("r1", 550, content)), Record::Review(review("r2", 9, "about nothing"))]
    };
    let counts = write(&pool, Source::Tmdb, records("Fine.")).await;
    assert_eq!(counts, IngestCounts { reviews: 1, quarantined: 1, ..IngestCounts::default() });
    let same = write(&pool, Source::Tmdb, vec![Record::Review(review("r1", 550, "Fine."))]).await;
    assert_eq!(same, IngestCounts::default());
    let changed = write(&pool, Source::Tmdb, vec![Record::Review(review("r1", 550, "Awful."))]).await;
    assert_eq!(changed.reviews, 1);
    type Row = (String, String, i64, Option<String>, Option<f32>, String, DateTime<Utc>);
    let rows: Vec<Row> = sqlx::query_as("SELECT * FROM reviews").fetch_all(&pool).await.unwrap();
    let expected = ("tmdb".into(), "r1".into(), 550, Some("Somebody".into()), Some(8.0), "Awful.".into(), at(9, 30));
    assert_eq!(rows, [expected]);
}
