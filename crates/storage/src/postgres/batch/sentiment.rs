//! The artifact batch_sentiment_hourly: tallies of review sentiment by movie and hour.

use chrono::{DateTime, Utc};
use domain::hours::Hour;
use domain::sentiment::{Score, Tally};
use domain::{MovieId, RunId};
use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::{PgConnection, PgExecutor};

use super::storable;
use crate::StorageError;
use crate::postgres::catalogue::movie_id;

/// A scored review.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReview {
    /// The movie.
    pub movie_id: MovieId,
    /// The hour in which it was written.
    pub hour: Hour,
    pub score: Score,
}

/// Streams all scored reviews before `watermark`, ordered by movie and time. Both tables have an index in that order, so
/// the database neither sorts nor buffers. Must run on the connection of the run's snapshot. A review that is scored
/// after the snapshot reopens its hour.
pub fn reviews(conn: &mut PgConnection, watermark: Hour) -> BoxStream<'_, Result<StoredReview, StorageError>> {
    sqlx::query!(
        r#"SELECT movie_id AS "movie_id!", at AS "at!", sentiment AS "sentiment!"
           FROM (SELECT movie_id, written_at AS at, sentiment
                 FROM reviews WHERE written_at < $1 AND sentiment IS NOT NULL
                 UNION ALL
                 SELECT movie_id, occurred_at, sentiment
                 FROM viewer_reviews WHERE occurred_at < $1 AND sentiment IS NOT NULL) AS opinions
           ORDER BY movie_id, at"#,
        storable(watermark),
    )
    .fetch(conn)
    .map(|row| {
        let row = row?;
        let score = Score::new(f64::from(row.sentiment));
        Ok(StoredReview { movie_id: movie_id(row.movie_id)?, hour: Hour::of(row.at), score })
    })
    .boxed()
}

/// The tally of one movie and hour.
pub type MovieHour = (MovieId, Hour, Tally);

/// Stages a chunk of hours.
pub async fn stage(conn: impl PgExecutor<'_>, run: RunId, hours: &[MovieHour]) -> Result<(), StorageError> {
    let movie: Vec<i64> = hours.iter().map(|(movie, ..)| movie.get()).collect();
    let hour: Vec<DateTime<Utc>> = hours.iter().map(|(_, hour, _)| hour.start()).collect();
    let sum: Vec<f64> = hours.iter().map(|(.., tally)| tally.sum).collect();
    let squares: Vec<f64> = hours.iter().map(|(.., tally)| tally.sum_squares).collect();
    let count = |f: fn(&Tally) -> i64| hours.iter().map(|(.., tally)| f(tally)).collect::<Vec<i64>>();
    sqlx::query!(
        "INSERT INTO batch_sentiment_hourly (run_id, movie_id, hour, sum, sum_squares, positive, negative, neutral)
         SELECT $1, * FROM unnest($2::bigint[], $3::timestamptz[], $4::float8[], $5::float8[], $6::bigint[],
             $7::bigint[], $8::bigint[])",
        run.0,
        &movie,
        &hour,
        &sum,
        &squares,
        &count(|t| t.positive),
        &count(|t| t.negative),
        &count(|t| t.neutral),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A movie's hours from `from` on, oldest first; hours without reviews are left out.
pub async fn hours(
    conn: impl PgExecutor<'_>,
    run: RunId,
    movie: MovieId,
    from: Hour,
) -> Result<Vec<(Hour, Tally)>, StorageError> {
    let rows = sqlx::query!(
        "SELECT hour, sum, sum_squares, positive, negative, neutral
         FROM batch_sentiment_hourly WHERE run_id = $1 AND movie_id = $2 AND hour >= $3 ORDER BY hour",
        run.0,
        movie.get(),
        storable(from),
    )
    .fetch_all(conn)
    .await?;
    let tallies = rows.into_iter().map(|row| {
        let tally = Tally {
            sum: row.sum,
            sum_squares: row.sum_squares,
            positive: row.positive,
            negative: row.negative,
            neutral: row.neutral,
        };
        (Hour::of(row.hour), tally)
    });
    Ok(tallies.collect())
}
