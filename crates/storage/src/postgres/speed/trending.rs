//! What trends within the last hours: the films that sources observed or viewers touched, by the score of
//! domain/trending.rs.

use domain::hours::Hour;
use domain::page::Limit;
use domain::trending::{POPULARITY_WEIGHT, RATING_VELOCITY_WEIGHT, VOTE_AVERAGE_WEIGHT, VOTE_VELOCITY_WEIGHT};
use sqlx::PgPool;

use crate::StorageError;

/// One place of the ranking. Velocities are per hour.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendingNowRow {
    pub movie_id: i64,
    pub title: String,
    pub genres: Vec<String>,
    pub trending_score: f64,
    pub popularity_velocity: f64,
    pub rating_velocity: f64,
    pub vote_velocity: f64,
    pub popularity: f64,
    pub vote_average: f64,
    pub vote_count: i64,
}

/// The best of the last `hours` hours, which begin with `since`. A viewer's rating counts as one more vote on top of the
/// source's: so the list moves between two observations too, and without any source.
///
/// The score is computed here, where the films are: fifty thousand rows would take longer to send than to rank.
pub async fn top(
    pool: &PgPool,
    since: Hour,
    hours: u32,
    genre: Option<&str>,
    limit: Limit,
) -> Result<Vec<TrendingNowRow>, StorageError> {
    Ok(sqlx::query_as!(
        TrendingNowRow,
        r#"WITH first AS (
               SELECT DISTINCT ON (movie_id) movie_id, observed_at, popularity, vote_average, vote_count
               FROM speed_observations WHERE hour >= $1 ORDER BY movie_id, hour),
           viewers AS (
               SELECT movie_id, sum(ratings)::bigint AS ratings, sum(rating_sum) AS rating_sum
               FROM speed_stats WHERE hour >= $1 GROUP BY movie_id),
           seen AS (
               SELECT movie_id, coalesce(l.popularity, m.popularity) AS popularity,
                      coalesce(l.vote_average, m.vote_average) AS vote_average,
                      coalesce(l.vote_count, m.vote_count) AS vote_count,
                      coalesce(v.ratings, 0) AS ratings, coalesce(v.rating_sum, 0) AS rating_sum,
                      f.popularity AS first_popularity, f.vote_average AS first_average, f.vote_count AS first_count,
                      -- Two observations minutes apart, on both sides of an hour's edge, say nothing about an hour.
                      greatest(extract(epoch FROM l.observed_at - f.observed_at)::float8 / 3600, 1) AS observed_hours
               FROM first f FULL JOIN viewers v USING (movie_id) JOIN movies m USING (movie_id)
                    LEFT JOIN speed_latest l USING (movie_id)
               WHERE m.tombstoned_at IS NULL AND ($3::text IS NULL OR m.genres @> ARRAY[$3])),
           rated AS (
               SELECT *, CASE WHEN ratings = 0 THEN vote_average
                              ELSE (vote_average * vote_count + rating_sum) / (vote_count + ratings) END AS average
               FROM seen),
           moved AS (
               SELECT movie_id, popularity, average, vote_count + ratings AS votes,
                      coalesce((popularity - first_popularity) / observed_hours, 0) AS popularity_velocity,
                      coalesce((vote_average - first_average) / observed_hours, 0)
                          + (average - vote_average) / $2::float8 AS rating_velocity,
                      coalesce((vote_count - first_count) / observed_hours, 0) + ratings / $2 AS vote_velocity
               FROM rated),
           best AS (
               SELECT *, $5::float8 * popularity + $6::float8 * rating_velocity + $7::float8 * average
                         + $8::float8 * vote_velocity AS score
               FROM moved ORDER BY score DESC, movie_id LIMIT $4)
           SELECT movie_id AS "movie_id!", m.title, m.genres, score AS "trending_score!",
                  popularity_velocity AS "popularity_velocity!", rating_velocity AS "rating_velocity!",
                  vote_velocity AS "vote_velocity!", best.popularity AS "popularity!", average AS "vote_average!",
                  votes AS "vote_count!"
           FROM best JOIN movies m USING (movie_id) ORDER BY score DESC, movie_id"#,
        since.start(),
        f64::from(hours),
        genre,
        limit.get(),
        POPULARITY_WEIGHT,
        RATING_VELOCITY_WEIGHT,
        VOTE_AVERAGE_WEIGHT,
        VOTE_VELOCITY_WEIGHT,
    )
    .fetch_all(pool)
    .await?)
}
