//! The view speed_stats: counts of viewers' events by movie and hour.

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::events::{Counts, EventType};
use domain::hours::Hour;
use sqlx::{PgConnection, PgPool};

use super::ByHour;
use crate::StorageError;
use crate::postgres::counts;

/// [`EventType::SLOTS`] as SQL's integer type.
const SLOTS: i32 = EventType::SLOTS as i32;

/// Adds deltas to hours.
pub(super) async fn add(conn: &mut PgConnection, hours: &ByHour<Counts>) -> Result<(), StorageError> {
    if hours.is_empty() {
        return Ok(());
    }
    let movie: Vec<i64> = hours.keys().map(|(movie, _)| movie.get()).collect();
    let hour: Vec<DateTime<Utc>> = hours.keys().map(|(_, hour)| hour.start()).collect();
    let rating_sum: Vec<f64> = hours.values().map(|counts| counts.rating_sum).collect();
    sqlx::query!(
        "INSERT INTO speed_stats AS s (movie_id, hour, rating_sum, counts)
         SELECT movie_id, hour, rating_sum, ($4::bigint[])[(n - 1) * $5 + 1 : n * $5]
         FROM unnest($1::bigint[], $2::timestamptz[], $3::float8[]) WITH ORDINALITY
              AS k(movie_id, hour, rating_sum, ordinality) CROSS JOIN LATERAL (SELECT ordinality::int AS n) AS o
         ON CONFLICT (movie_id, hour) DO UPDATE SET
             counts = add_counts(s.counts, excluded.counts), rating_sum = s.rating_sum + excluded.rating_sum,
             version = excluded.version, updated_at = excluded.updated_at",
        &movie,
        &hour,
        &rating_sum,
        &counts::flat(hours.values()),
        SLOTS,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Reopens hours that the published batch run covers: creates each missing row with the run's figures and marks the
/// existing ones. Afterwards the rows contain every fact stored so far, so the caller adds deltas to them as to any
/// other row, and the cost depends on the new facts alone. Must run under the watermark's lock
/// ([`super::hold_watermark`]).
///
/// - An existing row is complete: it is dropped only after a published run has read everything that it contains.
/// - A missing row means that the run has read every stored fact of the hour: an hour that changed after the run's
///   snapshot was reopened when the run was published, and reopened rows are not dropped.
pub(super) async fn reopen(conn: &mut PgConnection, hours: &[(MovieId, Hour)]) -> Result<(), StorageError> {
    if hours.is_empty() {
        return Ok(());
    }
    let movie: Vec<i64> = hours.iter().map(|(movie, _)| movie.get()).collect();
    let hour: Vec<DateTime<Utc>> = hours.iter().map(|(_, hour)| hour.start()).collect();
    // The statement locks every row, also those that its WHERE leaves unchanged, so none is dropped before the deltas
    // are added. A row that is dropped just before it is created again here.
    sqlx::query!(
        "INSERT INTO speed_stats AS s (movie_id, hour, counts, rating_sum, reopened)
         SELECT k.movie_id, k.hour, (coalesce(b.counts, '{}') || array_fill(0::bigint, ARRAY[$3::int]))[:$3],
                coalesce(b.rating_sum, 0), true
         FROM unnest($1::bigint[], $2::timestamptz[]) AS k(movie_id, hour)
              LEFT JOIN batch_stats_hourly b
                  ON b.run_id = (SELECT run_id FROM artifact_heads WHERE artifact = 'batch_stats_hourly')
                     AND b.movie_id = k.movie_id AND b.hour = k.hour
         ORDER BY k.movie_id, k.hour
         ON CONFLICT (movie_id, hour) DO UPDATE SET reopened = true WHERE NOT s.reopened",
        &movie,
        &hour,
        SLOTS,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes up to `limit` rows of hours before `boundary` that are not reopened; none where `boundary` is `None`.
/// Returns the number deleted.
pub(super) async fn drop_before(pool: &PgPool, boundary: Option<Hour>, limit: i64) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM speed_stats WHERE (movie_id, hour) IN
             (SELECT movie_id, hour FROM speed_stats WHERE hour < $1 AND NOT reopened LIMIT $2)
         -- Said again, since a row may be reopened while the statement waits for it.
         AND NOT reopened",
        boundary.map(Hour::start),
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
