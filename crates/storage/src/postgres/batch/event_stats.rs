//! The artifact batch_stats_hourly: counts of viewers' events by movie and hour; and batch_stats_total, its sums by
//! movie.

use domain::RunId;
use domain::events::EventType;
use domain::hours::Hour;
use sqlx::PgConnection;

use crate::StorageError;

/// Stages the hours before `watermark`, counted from the stored events; returns the number of rows staged. Must run on
/// the connection of the run's snapshot. It is one statement, so the database counts a hundred million events without
/// sending them, and spills to disk instead of using more memory.
pub async fn stage(conn: &mut PgConnection, run: RunId, watermark: Hour) -> Result<u64, StorageError> {
    let types = EventType::ALL.map(|kind| kind.as_str().to_owned());
    // Arrays have all slots and are cut to the known types, so that no slot is named and no unused slot is stored.
    let hours = sqlx::query!(
        "INSERT INTO batch_stats_hourly (run_id, movie_id, hour, counts, rating_sum)
         SELECT $1, movie_id, date_trunc('hour', occurred_at, 'UTC'),
                (ARRAY[count(*) FILTER (WHERE slot = 1), count(*) FILTER (WHERE slot = 2),
                       count(*) FILTER (WHERE slot = 3), count(*) FILTER (WHERE slot = 4),
                       count(*) FILTER (WHERE slot = 5), count(*) FILTER (WHERE slot = 6),
                       count(*) FILTER (WHERE slot = 7), count(*) FILTER (WHERE slot = 8),
                       count(*) FILTER (WHERE slot = 9), count(*) FILTER (WHERE slot = 10),
                       count(*) FILTER (WHERE slot = 11), count(*) FILTER (WHERE slot = 12),
                       count(*) FILTER (WHERE slot = 13), count(*) FILTER (WHERE slot = 14),
                       count(*) FILTER (WHERE slot = 15), count(*) FILTER (WHERE slot = 16)])[:cardinality($3::text[])],
                coalesce(sum(rating::float8), 0)
         FROM viewer_events JOIN unnest($3::text[]) WITH ORDINALITY AS types(event_type, slot) USING (event_type)
         WHERE occurred_at < $2
         GROUP BY 2, 3",
        run.0,
        watermark.start(),
        &types,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO batch_stats_total (run_id, movie_id, hours, counts, rating_sum)
         SELECT $1, movie_id, count(*),
                (ARRAY[sum(counts[1]), sum(counts[2]), sum(counts[3]), sum(counts[4]), sum(counts[5]), sum(counts[6]),
                       sum(counts[7]), sum(counts[8]), sum(counts[9]), sum(counts[10]), sum(counts[11]),
                       sum(counts[12]), sum(counts[13]), sum(counts[14]), sum(counts[15]),
                       sum(counts[16])])[:$2]::bigint[],
                sum(rating_sum)
         FROM batch_stats_hourly WHERE run_id = $1 GROUP BY movie_id",
        run.0,
        EventType::COUNT as i32,
    )
    .execute(conn)
    .await?;
    Ok(hours.rows_affected())
}
