//! The artifact temporal_trends: daily series of all movies and of each genre. The series of one movie are read from
//! their own tables.

use chrono::{NaiveDate, TimeDelta};
use domain::RunId;
use domain::artifacts::Artifact;
use domain::trends::{Metric, Point, Scope, TREND_DAYS};
use sqlx::{PgExecutor, PgPool};

use crate::StorageError;

/// The newest day that has data and is not after `today`: daily metrics, or hours of the published sentiment run.
pub async fn newest_day(pool: &PgPool, today: NaiveDate) -> Result<Option<NaiveDate>, StorageError> {
    Ok(sqlx::query_scalar!(
        "SELECT greatest(
             (SELECT max(day) FROM movie_metrics_daily WHERE day <= $1),
             (SELECT max((hour AT TIME ZONE 'UTC')::date)
              FROM batch_sentiment_hourly JOIN artifact_heads USING (run_id)
              WHERE artifact = $2 AND (hour AT TIME ZONE 'UTC')::date <= $1))",
        today,
        Artifact::BatchSentimentHourly.as_str(),
    )
    .fetch_one(pool)
    .await?)
}

/// Stages rating and popularity of the days up to `as_of`, over all movies and by genre; returns the number of rows. It
/// is one statement, so that fifty million snapshots are not sent.
pub async fn stage_metrics(conn: impl PgExecutor<'_>, run: RunId, as_of: NaiveDate) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "INSERT INTO temporal_trends (run_id, scope, key, metric, day, value, count)
         SELECT $1, CASE key WHEN '' THEN 'all' ELSE 'genre' END, key, metric, day, value, count
         FROM (SELECT key, d.day,
                      -- Rounded, since a parallel sum adds up in another order each time. A movie nobody voted on has
                      -- no rating.
                      round((avg(d.vote_average) FILTER (WHERE d.vote_count > 0))::numeric, 6)::float8 AS rating,
                      count(*) FILTER (WHERE d.vote_count > 0) AS rated,
                      round(avg(d.popularity)::numeric, 6)::float8 AS popularity, count(*) AS movies
               FROM movie_metrics_daily d JOIN movies m USING (movie_id), unnest(m.genres || ARRAY['']) AS key
               WHERE d.day > $2::date - $3::integer AND d.day <= $2 AND m.tombstoned_at IS NULL
               GROUP BY key, d.day) AS daily,
              LATERAL (VALUES ('rating', rating, rated), ('popularity', popularity, movies)) AS v(metric, value, count)
         WHERE count > 0",
        run.0,
        as_of,
        TREND_DAYS,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Stages the sentiment of the days up to `as_of` from the published run of hourly sentiment, each review counted once;
/// returns the number of rows.
pub async fn stage_sentiment(conn: impl PgExecutor<'_>, run: RunId, as_of: NaiveDate) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "INSERT INTO temporal_trends (run_id, scope, key, metric, day, value, count)
         SELECT $1, CASE key WHEN '' THEN 'all' ELSE 'genre' END, key, 'sentiment', day,
                round((sum(s.sum) / sum(s.reviews))::numeric, 6)::float8, sum(s.reviews)::bigint
         FROM (SELECT movie_id, (hour AT TIME ZONE 'UTC')::date AS day, sum, positive + negative + neutral AS reviews
               FROM batch_sentiment_hourly JOIN artifact_heads USING (run_id) WHERE artifact = $4) AS s
              JOIN movies m USING (movie_id), unnest(m.genres || ARRAY['']) AS key
         WHERE s.day > $2::date - $3::integer AND s.day <= $2 AND m.tombstoned_at IS NULL
         GROUP BY key, s.day HAVING sum(s.reviews) > 0",
        run.0,
        as_of,
        TREND_DAYS,
        Artifact::BatchSentimentHourly.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// A series from `since` to the run's last day `as_of`, oldest first, at most [`TREND_DAYS`] points. The series of one
/// movie comes from its daily snapshots (`count` is 1) or its hours of the published sentiment (`count` is the number
/// of reviews).
pub async fn points(
    pool: &PgPool,
    run: RunId,
    as_of: NaiveDate,
    scope: &Scope,
    metric: Metric,
    since: NaiveDate,
) -> Result<Vec<Point>, StorageError> {
    let since = since.max(as_of - TimeDelta::days(i64::from(TREND_DAYS) - 1));
    let (scope, key) = match scope {
        Scope::Movie(movie) if metric == Metric::Sentiment => {
            return movie_sentiment(pool, movie.get(), since, as_of).await;
        }
        Scope::Movie(movie) => return movie_metric(pool, movie.get(), metric, since, as_of).await,
        Scope::All => ("all", ""),
        Scope::Genre(genre) => ("genre", genre.as_str()),
    };
    Ok(sqlx::query_as!(
        Point,
        "SELECT day, value, count FROM temporal_trends
         WHERE run_id = $1 AND scope = $2 AND key = $3 AND metric = $4 AND day BETWEEN $5 AND $6 ORDER BY day",
        run.0,
        scope,
        key,
        metric.as_str(),
        since,
        as_of,
    )
    .fetch_all(pool)
    .await?)
}

async fn movie_metric(
    pool: &PgPool,
    movie: i64,
    metric: Metric,
    since: NaiveDate,
    until: NaiveDate,
) -> Result<Vec<Point>, StorageError> {
    Ok(sqlx::query_as!(
        Point,
        r#"SELECT day, CASE WHEN $2 THEN vote_average ELSE popularity END AS "value!", 1::bigint AS "count!"
           FROM movie_metrics_daily
           WHERE movie_id = $1 AND day BETWEEN $3 AND $4 AND (NOT $2 OR vote_count > 0) ORDER BY day"#,
        movie,
        metric == Metric::Rating,
        since,
        until,
    )
    .fetch_all(pool)
    .await?)
}

async fn movie_sentiment(
    pool: &PgPool,
    movie: i64,
    since: NaiveDate,
    until: NaiveDate,
) -> Result<Vec<Point>, StorageError> {
    Ok(sqlx::query_as!(
        Point,
        r#"SELECT (hour AT TIME ZONE 'UTC')::date AS "day!",
                  sum(sum) / sum(positive + negative + neutral)::float8 AS "value!",
                  sum(positive + negative + neutral)::bigint AS "count!"
           FROM batch_sentiment_hourly JOIN artifact_heads USING (run_id)
           WHERE artifact = $4 AND movie_id = $1 AND (hour AT TIME ZONE 'UTC')::date BETWEEN $2 AND $3
           GROUP BY 1 HAVING sum(positive + negative + neutral) > 0 ORDER BY 1"#,
        movie,
        since,
        until,
        Artifact::BatchSentimentHourly.as_str(),
    )
    .fetch_all(pool)
    .await?)
}
