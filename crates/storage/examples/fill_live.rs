//! Fills the speed layer as if `movies` movies had been observed and rated in each of the last `hours` hours, to
//! measure how fast it is read:
//!
//!     DATABASE_URL=.. cargo run --release -p storage --example fill_live -- <movies> <hours> [--sentiment-days <days>]
//!
//! The movies are the most popular ones; where the catalogue has fewer, movies from 3,000,000,001 up are added. With
//! `--sentiment-days` a run of batch_sentiment_hourly with 24 rows a day of the first movie is published too. A second
//! call writes over the first one's rows. Prints the first movie's id.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::Utc;
use domain::JobId;
use domain::artifacts::Artifact;
use domain::hours::Hour;
use sqlx::PgPool;
use storage::postgres::{artifacts, batch, catalogue};

/// Above the ids of every source.
const FIRST_ID: i64 = 3_000_000_000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, numbers): (Vec<_>, Vec<_>) = match arguments.iter().position(|text| text == "--sentiment-days") {
        Some(at) => (arguments[at + 1..].to_vec(), arguments[..at].to_vec()),
        None => (Vec::new(), arguments),
    };
    let (movies, hours): (i64, i64) = (numbers[0].parse().unwrap(), numbers[1].parse().unwrap());
    let pool = PgPool::connect(&std::env::var("DATABASE_URL").unwrap()).await.unwrap();
    let ids = pick_movies(&pool, movies).await;
    fill_hours(&pool, &ids, hours).await;
    if let Some(days) = flags.first() {
        publish_sentiment(&pool, ids[0], days.parse().unwrap()).await;
    }
    // The statistics come only from these bulk inserts otherwise.
    for table in ["movies", "speed_stats", "speed_observations", "speed_latest", "batch_sentiment_hourly"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("ANALYZE {table}"))).execute(&pool).await.unwrap();
    }
    // As an ingest does after writing: processes that keep movies in memory read them again.
    catalogue::published(&pool).await.unwrap();
    println!("{}", ids[0]);
}

/// The ids of the `movies` most popular movies, after adding missing ones.
async fn pick_movies(pool: &PgPool, movies: i64) -> Vec<i64> {
    sqlx::query(
        "INSERT INTO movies (movie_id, title, overview, release_date, popularity, vote_average, vote_count, genres,
                             source)
         SELECT $2 + n, 'Live Movie ' || n, 'Made to measure.', date '1970-01-01' + (n % 20000)::int,
                round((100 / sqrt(n))::numeric, 3)::float8, 5 + (n * 7919 % 40)::float8 / 10, 100 + n * 31 % 5000,
                string_to_array((ARRAY['Drama,Crime', 'Comedy,Romance', 'Action,Thriller', 'Horror,Mystery',
                                       'Animation,Family'])[n % 5 + 1], ','), 'demo'
         FROM generate_series(1, $1 - (SELECT count(*) FROM movies WHERE tombstoned_at IS NULL)) AS n
         ON CONFLICT DO NOTHING",
    )
    .bind(movies)
    .bind(FIRST_ID)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query_scalar(
        "SELECT movie_id FROM movies WHERE tombstoned_at IS NULL ORDER BY popularity DESC, movie_id LIMIT $1",
    )
    .bind(movies)
    .fetch_all(pool)
    .await
    .unwrap()
}

/// One observation and one row of viewers' events per movie and hour, the current hour last.
async fn fill_hours(pool: &PgPool, ids: &[i64], hours: i64) {
    let first = Hour::of(Utc::now()).plus(1 - hours).start();
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO speed_observations (movie_id, hour, observed_at, popularity, vote_average, vote_count)
         SELECT movie_id, hour, least(hour + interval '20 minutes', now()),
                popularity * (1 + 0.01 * ((movie_id + n) % 7)), vote_average, vote_count + n * (movie_id % 5)
         FROM movies, generate_series(0, $3 - 1) AS n,
              LATERAL (SELECT $2 + n * interval '1 hour' AS hour) AS h
         WHERE movie_id = ANY($1)
         ON CONFLICT (hour, movie_id) DO UPDATE SET observed_at = excluded.observed_at,
             popularity = excluded.popularity, vote_average = excluded.vote_average, vote_count = excluded.vote_count",
    )
    .bind(ids)
    .bind(first)
    .bind(hours)
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO speed_latest (movie_id, observed_at, popularity, vote_average, vote_count)
         SELECT DISTINCT ON (movie_id) movie_id, observed_at, popularity, vote_average, vote_count
         FROM speed_observations WHERE movie_id = ANY($1) ORDER BY movie_id, hour DESC
         ON CONFLICT (movie_id) DO UPDATE SET observed_at = excluded.observed_at,
             popularity = excluded.popularity, vote_average = excluded.vote_average, vote_count = excluded.vote_count",
    )
    .bind(ids)
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query(
        "UPDATE movies m SET observed_at = l.observed_at, popularity = l.popularity, vote_average = l.vote_average,
             vote_count = l.vote_count
         FROM speed_latest l WHERE l.movie_id = m.movie_id AND m.movie_id = ANY($1)",
    )
    .bind(ids)
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO speed_stats (movie_id, hour, counts, rating_sum)
         SELECT movie_id, $2 + n * interval '1 hour',
                ARRAY[10 + movie_id % 90, 5, 0, 0, 0, movie_id % 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], (movie_id % 4) * 7.5
         FROM unnest($1) AS movie_id, generate_series(0, $3 - 1) AS n
         ON CONFLICT (movie_id, hour) DO UPDATE SET counts = excluded.counts, rating_sum = excluded.rating_sum, version = excluded.version,
             updated_at = excluded.updated_at",
    )
    .bind(ids)
    .bind(first)
    .bind(hours)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// Five reviews an hour, published as the nightly job publishes its run.
async fn publish_sentiment(pool: &PgPool, movie: i64, days: i64) {
    let watermark = Hour::of(Utc::now());
    let run_id =
        artifacts::begin(pool, Artifact::BatchSentimentHourly, JobId::new(), batch::EventRun::as_of(watermark))
            .await
            .unwrap();
    let (tx, snapshot) = batch::snapshot(pool).await.unwrap();
    let rows = sqlx::query(
        "INSERT INTO batch_sentiment_hourly (run_id, movie_id, hour, sum, sum_squares, positive, negative, neutral)
         SELECT $1, $2, hour, 0.5 * (3 - negative) - 0.5 * negative, 0.75, 3 - negative, negative, 2
         FROM generate_series($3 - $4 * interval '1 hour', $3 - interval '1 hour', interval '1 hour') AS hour,
              LATERAL (SELECT extract(hour FROM hour)::bigint % 3 AS negative) AS mood",
    )
    .bind(run_id.0)
    .bind(movie)
    .bind(watermark.start())
    .bind(days * 24)
    .execute(pool)
    .await
    .unwrap()
    .rows_affected();
    tx.commit().await.unwrap();
    let run = batch::EventRun { run_id, watermark, snapshot };
    let verdict = batch::publish(pool, Artifact::BatchSentimentHourly, &run, rows, true).await.unwrap();
    assert_eq!(verdict, domain::artifacts::PublishDecision::Publish, "the run was held back");
}
