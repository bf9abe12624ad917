//! The view speed_sentiment: tallies of review sentiment by movie and hour.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::hours::Hour;
use domain::merge::SpeedHour;
use domain::sentiment::{Score, Tally};
use futures::TryStreamExt;
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::{ByHour, SpeedRow};
use crate::StorageError;
use crate::postgres::batch::storable;
use crate::postgres::catalogue::movie_id;

/// Adds deltas to hours.
pub(super) async fn add(conn: &mut PgConnection, hours: &ByHour<Tally>) -> Result<(), StorageError> {
    if hours.is_empty() {
        return Ok(());
    }
    let movie: Vec<i64> = hours.keys().map(|(movie, _)| movie.get()).collect();
    let hour: Vec<DateTime<Utc>> = hours.keys().map(|(_, hour)| hour.start()).collect();
    let real = |f: fn(&Tally) -> f64| hours.values().map(f).collect::<Vec<f64>>();
    let count = |f: fn(&Tally) -> i64| hours.values().map(f).collect::<Vec<i64>>();
    sqlx::query!(
        "INSERT INTO speed_sentiment AS s (movie_id, hour, sum, sum_squares, positive, negative, neutral)
         SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::float8[], $4::float8[], $5::bigint[], $6::bigint[],
             $7::bigint[])
         ON CONFLICT (movie_id, hour) DO UPDATE SET
             sum = s.sum + excluded.sum, sum_squares = s.sum_squares + excluded.sum_squares,
             positive = s.positive + excluded.positive, negative = s.negative + excluded.negative,
             neutral = s.neutral + excluded.neutral, version = excluded.version, updated_at = excluded.updated_at",
        &movie,
        &hour,
        &real(|t| t.sum),
        &real(|t| t.sum_squares),
        &count(|t| t.positive),
        &count(|t| t.negative),
        &count(|t| t.neutral),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Reopens hours that a published batch run covers. An hour that has no row, since it was dropped, is recomputed from
/// the stored scores; returns these. The rows of the others hold every score so far.
pub(super) async fn reopen(
    conn: &mut PgConnection,
    hours: &ByHour<Tally>,
) -> Result<HashSet<(MovieId, Hour)>, StorageError> {
    if hours.is_empty() {
        return Ok(HashSet::new());
    }
    let movie: Vec<i64> = hours.keys().map(|(movie, _)| movie.get()).collect();
    let hour: Vec<DateTime<Utc>> = hours.keys().map(|(_, hour)| hour.start()).collect();
    // Locks the rows: a concurrent writer of the same hour waits here, or makes us wait and then see its scores.
    let rows = sqlx::query!(
        r#"INSERT INTO speed_sentiment AS s (movie_id, hour, reopened)
           SELECT *, true FROM unnest($1::bigint[], $2::timestamptz[])
           ON CONFLICT (movie_id, hour) DO UPDATE
               SET reopened = true, version = excluded.version, updated_at = excluded.updated_at
           RETURNING movie_id, hour, (xmax = 0) AS "inserted!""#,
        &movie,
        &hour,
    )
    .fetch_all(&mut *conn)
    .await?;
    let missing = rows.into_iter().filter(|row| row.inserted);
    let missing = missing.map(|row| Ok((movie_id(row.movie_id)?, Hour::of(row.hour))));
    let missing: Vec<(MovieId, Hour)> = missing.collect::<Result<_, StorageError>>()?;
    recompute(conn, &missing).await?;
    Ok(missing.into_iter().collect())
}

/// Adds up the stored scores of hours whose rows the transaction has just inserted.
async fn recompute(conn: &mut PgConnection, hours: &[(MovieId, Hour)]) -> Result<(), StorageError> {
    if hours.is_empty() {
        return Ok(());
    }
    let movie: Vec<i64> = hours.iter().map(|(movie, _)| movie.get()).collect();
    let hour: Vec<DateTime<Utc>> = hours.iter().map(|(_, hour)| hour.start()).collect();
    let tallies = tally(conn, &movie, &hour).await?;
    add(conn, &tallies).await
}

/// Tallies of the stored scores of these hours. A review without a score is in no view.
async fn tally(conn: &mut PgConnection, movie: &[i64], hour: &[DateTime<Utc>]) -> Result<ByHour<Tally>, StorageError> {
    let mut rows = sqlx::query!(
        r#"SELECT k.movie_id AS "movie_id!", k.hour AS "hour!", r.sentiment AS "sentiment!"
           FROM unnest($1::bigint[], $2::timestamptz[]) AS k(movie_id, hour)
           JOIN viewer_reviews r ON r.movie_id = k.movie_id AND r.sentiment IS NOT NULL
                AND r.occurred_at >= k.hour AND r.occurred_at < k.hour + interval '1 hour'
           UNION ALL
           SELECT k.movie_id, k.hour, r.sentiment
           FROM unnest($1::bigint[], $2::timestamptz[]) AS k(movie_id, hour)
           JOIN reviews r ON r.movie_id = k.movie_id AND r.sentiment IS NOT NULL
                AND r.written_at >= k.hour AND r.written_at < k.hour + interval '1 hour'"#,
        movie,
        hour,
    )
    .fetch(conn);
    let mut tallies = ByHour::<Tally>::new();
    while let Some(row) = rows.try_next().await? {
        let score = Score::new(f64::from(row.sentiment));
        tallies.entry((movie_id(row.movie_id)?, Hour::of(row.hour))).or_default().add(score);
    }
    Ok(tallies)
}

/// A movie's hours from `from` on, oldest first; hours without reviews are left out.
pub async fn hours(
    conn: impl PgExecutor<'_>,
    movie: MovieId,
    from: Hour,
) -> Result<Vec<SpeedRow<Tally>>, StorageError> {
    let rows = sqlx::query!(
        "SELECT hour, sum, sum_squares, positive, negative, neutral, reopened, updated_at
         FROM speed_sentiment WHERE movie_id = $1 AND hour >= $2 ORDER BY hour",
        movie.get(),
        storable(from),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| {
            let facts = Tally {
                sum: r.sum,
                sum_squares: r.sum_squares,
                positive: r.positive,
                negative: r.negative,
                neutral: r.neutral,
            };
            let hour = SpeedHour { hour: Hour::of(r.hour), facts, reopened: r.reopened };
            SpeedRow { hour, updated_at: r.updated_at }
        })
        .collect())
}

/// Deletes up to `limit` rows of hours before `boundary` that are not reopened; none where `boundary` is `None`.
/// Returns the number deleted.
pub(super) async fn drop_before(pool: &PgPool, boundary: Option<Hour>, limit: i64) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM speed_sentiment WHERE (movie_id, hour) IN
             (SELECT movie_id, hour FROM speed_sentiment WHERE hour < $1 AND NOT reopened LIMIT $2)
         -- Said again, since a row may be reopened while the statement waits for it.
         AND NOT reopened",
        boundary.map(Hour::start),
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
