//! The public numbers of many movies, for lists: the same that each movie's page shows.

use std::collections::HashMap;

use domain::events::EventType;
use domain::movies::Votes;
use domain::trending::active::Numbers;
use sqlx::PgExecutor;

use crate::StorageError;

/// The numbers of those among `ids` that exist: the latest observation, and viewers' ratings as further votes.
///
/// Viewers' ratings are the run's total and the hours that the run lacks. It is [`domain::merge::merge_total`] with the
/// watermark as boundary, which gives the same sum as any earlier boundary and needs none of the run's hours but those
/// that late facts reopened.
pub async fn numbers(conn: impl PgExecutor<'_>, ids: &[i64]) -> Result<HashMap<i64, Numbers>, StorageError> {
    let rows = sqlx::query!(
        r#"WITH head AS (
               SELECT run_id, watermark FROM artifact_heads JOIN artifact_runs USING (run_id)
               WHERE artifact_heads.artifact = 'batch_stats_hourly')
           SELECT m.movie_id, m.popularity, m.vote_average, m.vote_count,
                  (coalesce(t.counts[$2], 0) + coalesce(s.ratings, 0) - coalesce(b.ratings, 0))::bigint AS "ratings!",
                  coalesce(t.rating_sum, 0) + coalesce(s.rating_sum, 0) - coalesce(b.rating_sum, 0) AS "rating_sum!"
           FROM movies m
                LEFT JOIN head ON true
                LEFT JOIN batch_stats_total t ON t.run_id = head.run_id AND t.movie_id = m.movie_id
                CROSS JOIN LATERAL (
                    SELECT sum(counts[$2]) AS ratings, sum(rating_sum) AS rating_sum,
                           array_agg(hour) FILTER (WHERE hour < head.watermark) AS reopened
                    FROM speed_stats
                    WHERE movie_id = m.movie_id AND (hour >= coalesce(head.watermark, '-infinity') OR reopened)) AS s
                CROSS JOIN LATERAL (
                    SELECT sum(counts[$2]) AS ratings, sum(rating_sum) AS rating_sum FROM batch_stats_hourly
                    WHERE run_id = head.run_id AND movie_id = m.movie_id AND hour = ANY(s.reopened)) AS b
           WHERE m.movie_id = ANY($1)"#,
        ids,
        EventType::Rating.slot() as i32 + 1,
    )
    .fetch_all(conn)
    .await?;
    let numbers = rows.into_iter().map(|row| {
        let votes = Votes { average: row.vote_average, count: row.vote_count };
        let Votes { average, count } = votes.with_ratings(row.ratings, row.rating_sum);
        (row.movie_id, Numbers { popularity: row.popularity, vote_average: average, vote_count: count })
    });
    Ok(numbers.collect())
}
