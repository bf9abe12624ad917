//! The artifact batch_stats_hourly: what viewers did, by movie and hour, and batch_stats_total, its sums by movie.

use domain::events::Counts;
use domain::hours::Hour;
use domain::{MovieId, RunId};
use sqlx::{PgConnection, PgExecutor};

use super::storable;
use crate::StorageError;

/// Stages the hours before `watermark`, counted from the events themselves; answers the number of hours. On the
/// connection of the run's snapshot. One statement: the database counts a hundred million events where they lie, and
/// spills to disk rather than grow.
pub async fn stage(conn: &mut PgConnection, run: RunId, watermark: Hour) -> Result<u64, StorageError> {
    let hours = sqlx::query!(
        "INSERT INTO batch_stats_hourly (run_id, movie_id, hour, views, clicks, likes, dislikes, watches, ratings,
             searches, impressions, rating_sum)
         SELECT $1, movie_id, date_trunc('hour', occurred_at, 'UTC'),
                count(*) FILTER (WHERE event_type = 'view'), count(*) FILTER (WHERE event_type = 'click'),
                count(*) FILTER (WHERE event_type = 'like'), count(*) FILTER (WHERE event_type = 'dislike'),
                count(*) FILTER (WHERE event_type = 'watch'), count(*) FILTER (WHERE event_type = 'rating'),
                count(*) FILTER (WHERE event_type = 'search'), count(*) FILTER (WHERE event_type = 'impression'),
                coalesce(sum(rating::float8), 0)
         FROM viewer_events WHERE occurred_at < $2
         GROUP BY 2, 3",
        run.0,
        watermark.start(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO batch_stats_total (run_id, movie_id, hours, views, clicks, likes, dislikes, watches, ratings,
             searches, impressions, rating_sum)
         SELECT $1, movie_id, count(*), sum(views), sum(clicks), sum(likes), sum(dislikes), sum(watches), sum(ratings),
                sum(searches), sum(impressions), sum(rating_sum)
         FROM batch_stats_hourly WHERE run_id = $1 GROUP BY movie_id",
        run.0,
    )
    .execute(conn)
    .await?;
    Ok(hours.rows_affected())
}

/// A movie's hours from `from` on, oldest first; hours in which nothing happened are left out.
pub async fn hours(
    conn: impl PgExecutor<'_>,
    run: RunId,
    movie: MovieId,
    from: Hour,
) -> Result<Vec<(Hour, Counts)>, StorageError> {
    let rows = sqlx::query!(
        "SELECT hour, views, clicks, likes, dislikes, watches, ratings, searches, impressions, rating_sum
         FROM batch_stats_hourly WHERE run_id = $1 AND movie_id = $2 AND hour >= $3 ORDER BY hour",
        run.0,
        movie.get(),
        storable(from),
    )
    .fetch_all(conn)
    .await?;
    let counts = rows.into_iter().map(|row| {
        let counts = Counts {
            views: row.views,
            clicks: row.clicks,
            likes: row.likes,
            dislikes: row.dislikes,
            watches: row.watches,
            ratings: row.ratings,
            searches: row.searches,
            impressions: row.impressions,
            rating_sum: row.rating_sum,
        };
        (Hour::of(row.hour), counts)
    });
    Ok(counts.collect())
}
