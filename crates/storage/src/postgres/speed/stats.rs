//! speed_stats: how often viewers did what.

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::events::Counts;
use domain::hours::Hour;
use domain::merge::SpeedHour;
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::{ByHour, SpeedRow};
use crate::StorageError;
use crate::postgres::batch::storable;

/// Moves hours by what is new in them.
pub(super) async fn add(conn: &mut PgConnection, hours: &ByHour<Counts>) -> Result<(), StorageError> {
    if hours.is_empty() {
        return Ok(());
    }
    let movie: Vec<i64> = hours.keys().map(|(movie, _)| movie.get()).collect();
    let hour: Vec<DateTime<Utc>> = hours.keys().map(|(_, hour)| hour.start()).collect();
    let column = |f: fn(&Counts) -> i64| hours.values().map(f).collect::<Vec<i64>>();
    let rating_sum: Vec<f64> = hours.values().map(|c| c.rating_sum).collect();
    sqlx::query!(
        "INSERT INTO speed_stats AS s (movie_id, hour, views, clicks, likes, dislikes, watches, ratings, searches,
             impressions, rating_sum)
         SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
             $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::float8[])
         ON CONFLICT (movie_id, hour) DO UPDATE SET
             views = s.views + excluded.views, clicks = s.clicks + excluded.clicks, likes = s.likes + excluded.likes,
             dislikes = s.dislikes + excluded.dislikes, watches = s.watches + excluded.watches,
             ratings = s.ratings + excluded.ratings, searches = s.searches + excluded.searches,
             impressions = s.impressions + excluded.impressions, rating_sum = s.rating_sum + excluded.rating_sum,
             version = excluded.version, updated_at = excluded.updated_at",
        &movie,
        &hour,
        &column(|c| c.views),
        &column(|c| c.clicks),
        &column(|c| c.likes),
        &column(|c| c.dislikes),
        &column(|c| c.watches),
        &column(|c| c.ratings),
        &column(|c| c.searches),
        &column(|c| c.impressions),
        &rating_sum,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Recomputes hours from the facts and marks them reopened.
pub(super) async fn reopen(conn: &mut PgConnection, hours: &[(MovieId, Hour)]) -> Result<(), StorageError> {
    if hours.is_empty() {
        return Ok(());
    }
    let movie: Vec<i64> = hours.iter().map(|(movie, _)| movie.get()).collect();
    let hour: Vec<DateTime<Utc>> = hours.iter().map(|(_, hour)| hour.start()).collect();
    // First the rows' locks: who recomputes the same hour at the same time waits here, and then sees our facts too.
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
    sqlx::query!(
        "UPDATE speed_stats s SET views = f.views, clicks = f.clicks, likes = f.likes, dislikes = f.dislikes,
             watches = f.watches, ratings = f.ratings, searches = f.searches, impressions = f.impressions,
             rating_sum = f.rating_sum
         FROM (SELECT k.movie_id, k.hour,
                   count(*) FILTER (WHERE event_type = 'view') AS views,
                   count(*) FILTER (WHERE event_type = 'click') AS clicks,
                   count(*) FILTER (WHERE event_type = 'like') AS likes,
                   count(*) FILTER (WHERE event_type = 'dislike') AS dislikes,
                   count(*) FILTER (WHERE event_type = 'watch') AS watches,
                   count(*) FILTER (WHERE event_type = 'rating') AS ratings,
                   count(*) FILTER (WHERE event_type = 'search') AS searches,
                   count(*) FILTER (WHERE event_type = 'impression') AS impressions,
                   coalesce(sum(e.rating::float8), 0) AS rating_sum
               FROM unnest($1::bigint[], $2::timestamptz[]) AS k(movie_id, hour)
               JOIN viewer_events e ON e.movie_id = k.movie_id
                    AND e.occurred_at >= k.hour AND e.occurred_at < k.hour + interval '1 hour'
               GROUP BY k.movie_id, k.hour) f
         WHERE s.movie_id = f.movie_id AND s.hour = f.hour",
        &movie,
        &hour,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A movie's hours from `from` on, oldest first; hours in which nothing happened are left out.
pub async fn hours(
    conn: impl PgExecutor<'_>,
    movie: MovieId,
    from: Hour,
) -> Result<Vec<SpeedRow<Counts>>, StorageError> {
    let rows = sqlx::query!(
        "SELECT hour, views, clicks, likes, dislikes, watches, ratings, searches, impressions, rating_sum, reopened,
                updated_at
         FROM speed_stats WHERE movie_id = $1 AND hour >= $2 ORDER BY hour",
        movie.get(),
        storable(from),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| {
            let facts = Counts {
                views: r.views,
                clicks: r.clicks,
                likes: r.likes,
                dislikes: r.dislikes,
                watches: r.watches,
                ratings: r.ratings,
                searches: r.searches,
                impressions: r.impressions,
                rating_sum: r.rating_sum,
            };
            let hour = SpeedHour { hour: Hour::of(r.hour), facts, reopened: r.reopened };
            SpeedRow { hour, updated_at: r.updated_at }
        })
        .collect())
}

/// Deletes up to `limit` rows of hours before `boundary` that are not reopened; none without a boundary.
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
