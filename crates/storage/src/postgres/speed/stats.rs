//! The view speed_stats: counts of viewers' events by movie and hour.

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::events::{Counts, EventType};
use domain::hours::Hour;
use sqlx::{PgConnection, PgPool};

use super::ByHour;
use crate::StorageError;
use crate::postgres::catalogue::movie_id;
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

/// Recomputes hours from the stored facts and marks them reopened.
pub(super) async fn reopen(conn: &mut PgConnection, hours: &[(MovieId, Hour)]) -> Result<(), StorageError> {
    if hours.is_empty() {
        return Ok(());
    }
    let movie: Vec<i64> = hours.iter().map(|(movie, _)| movie.get()).collect();
    let hour: Vec<DateTime<Utc>> = hours.iter().map(|(_, hour)| hour.start()).collect();
    // Lock the rows first: a concurrent writer that recomputes the same hour waits here, and then sees our facts too.
    sqlx::query!(
        "INSERT INTO speed_stats (movie_id, hour, reopened)
         SELECT *, true FROM unnest($1::bigint[], $2::timestamptz[])
         ON CONFLICT (movie_id, hour) DO UPDATE
             SET reopened = true, version = excluded.version, updated_at = excluded.updated_at",
        &movie,
        &hour,
    )
    .execute(&mut *conn)
    .await?;
    let counted = count(conn, &movie, &hour).await?;
    let counts: Vec<Counts> = hours.iter().map(|key| counted.get(key).copied().unwrap_or_default()).collect();
    let rating_sum: Vec<f64> = counts.iter().map(|counts| counts.rating_sum).collect();
    sqlx::query!(
        "UPDATE speed_stats s
         SET rating_sum = k.rating_sum, counts = ($4::bigint[])[(k.n::int - 1) * $5 + 1 : k.n::int * $5]
         FROM unnest($1::bigint[], $2::timestamptz[], $3::float8[]) WITH ORDINALITY AS k(movie_id, hour, rating_sum, n)
         WHERE s.movie_id = k.movie_id AND s.hour = k.hour",
        &movie,
        &hour,
        &rating_sum,
        &counts::flat(counts.iter()),
        SLOTS,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts of the stored events of these hours.
async fn count(conn: &mut PgConnection, movie: &[i64], hour: &[DateTime<Utc>]) -> Result<ByHour<Counts>, StorageError> {
    let rows = sqlx::query!(
        r#"SELECT k.movie_id AS "movie_id!", k.hour AS "hour!", e.event_type, count(*) AS "events!",
                  coalesce(sum(e.rating::float8), 0) AS "rating_sum!"
           FROM unnest($1::bigint[], $2::timestamptz[]) AS k(movie_id, hour)
           JOIN viewer_events e ON e.movie_id = k.movie_id
                AND e.occurred_at >= k.hour AND e.occurred_at < k.hour + interval '1 hour'
           GROUP BY k.movie_id, k.hour, e.event_type"#,
        movie,
        hour,
    )
    .fetch_all(conn)
    .await?;
    let mut hours = ByHour::<Counts>::new();
    for row in rows {
        // Event types that only a newer release knows are ignored, as everywhere.
        if let Some(kind) = EventType::named(&row.event_type) {
            let key = (movie_id(row.movie_id)?, Hour::of(row.hour));
            hours.entry(key).or_default().add_events(kind, row.events, row.rating_sum);
        }
    }
    Ok(hours)
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
