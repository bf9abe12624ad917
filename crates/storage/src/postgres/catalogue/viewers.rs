//! Writes daily metrics, ratings and reviews of sources.

use domain::ingest::{Quarantined, Source};
use domain::movies::{DailyMetrics, Rating, Review};
use sqlx::PgConnection;

use super::{IngestCounts, upsert};
use crate::StorageError;
use crate::postgres::facts::scoring;

pub(super) async fn write_metrics(
    conn: &mut PgConnection,
    metrics: &[DailyMetrics],
    tally: &mut IngestCounts,
) -> Result<(), StorageError> {
    if metrics.is_empty() {
        return Ok(());
    }
    let movie: Vec<i64> = metrics.iter().map(|m| m.movie_id.get()).collect();
    let day: Vec<chrono::NaiveDate> = metrics.iter().map(|m| m.day).collect();
    let popularity: Vec<f64> = metrics.iter().map(|m| m.popularity).collect();
    let vote_average: Vec<f64> = metrics.iter().map(|m| m.vote_average).collect();
    let vote_count: Vec<i64> = metrics.iter().map(|m| m.vote_count).collect();
    let done = sqlx::query!(
        "INSERT INTO movie_metrics_daily AS d (movie_id, day, popularity, vote_average, vote_count)
         SELECT i.* FROM unnest($1::bigint[], $2::date[], $3::double precision[], $4::double precision[], $5::bigint[])
             AS i(movie_id, day, popularity, vote_average, vote_count)
         WHERE EXISTS (SELECT 1 FROM movies WHERE movies.movie_id = i.movie_id)
         ON CONFLICT (movie_id, day) DO UPDATE
             SET popularity = excluded.popularity, vote_average = excluded.vote_average, vote_count = excluded.vote_count
             WHERE (d.popularity, d.vote_average, d.vote_count)
                   IS DISTINCT FROM (excluded.popularity, excluded.vote_average, excluded.vote_count)",
        &movie,
        &day,
        &popularity,
        &vote_average,
        &vote_count,
    )
    .execute(conn)
    .await?;
    tally.metrics += done.rows_affected();
    Ok(())
}

pub(super) async fn write_ratings(
    conn: &mut PgConnection,
    source: Source,
    ratings: &[Rating],
    bad: &mut Vec<Quarantined>,
    tally: &mut IngestCounts,
) -> Result<(), StorageError> {
    if ratings.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<i64> = ratings.iter().map(|r| r.movie_id.get()).collect();
    let known = {
        let mut distinct = ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let known = upsert::known(conn, &distinct).await?;
        distinct.retain(|id| !known.contains(id));
        bad.extend(distinct.iter().map(|id| {
            Quarantined::new(format!("ratings of movie {id}"), Some("movie_id"), "unknown movie", &id.to_string())
        }));
        known
    };
    let kept: Vec<&Rating> = ratings.iter().filter(|r| known.contains(&r.movie_id.get())).collect();
    ids.clear();
    ids.extend(kept.iter().map(|r| r.movie_id.get()));
    let user: Vec<i64> = kept.iter().map(|r| r.user_id).collect();
    let value: Vec<f32> = kept.iter().map(|r| r.rating).collect();
    let at: Vec<chrono::DateTime<chrono::Utc>> = kept.iter().map(|r| r.rated_at).collect();
    let done = sqlx::query!(
        "INSERT INTO ratings AS r (source, user_id, movie_id, rating, rated_at)
         SELECT $1, i.* FROM unnest($2::bigint[], $3::bigint[], $4::real[], $5::timestamptz[])
             AS i(user_id, movie_id, rating, rated_at)
         -- A viewer's later word counts.
         ON CONFLICT (source, user_id, movie_id) DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at
             WHERE excluded.rated_at > r.rated_at",
        source.as_str(),
        &user,
        &ids,
        &value,
        &at,
    )
    .execute(conn)
    .await?;
    tally.ratings += done.rows_affected();
    Ok(())
}

pub(super) async fn write_reviews(
    conn: &mut PgConnection,
    source: Source,
    reviews: &[Review],
    bad: &mut Vec<Quarantined>,
    tally: &mut IngestCounts,
) -> Result<(), StorageError> {
    if reviews.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = reviews.iter().map(|r| r.movie_id.get()).collect();
    let known = upsert::known(conn, &ids).await?;
    let kept = upsert::split_unknown(reviews.iter().collect(), &known, "reviews", |r| r.movie_id, bad);
    let id: Vec<String> = kept.iter().map(|r| r.review_id.clone()).collect();
    let movie: Vec<i64> = kept.iter().map(|r| r.movie_id.get()).collect();
    let author: Vec<Option<String>> = kept.iter().map(|r| r.author.clone()).collect();
    let rating: Vec<Option<f32>> = kept.iter().map(|r| r.rating).collect();
    let content: Vec<String> = kept.iter().map(|r| r.content.clone()).collect();
    let at: Vec<chrono::DateTime<chrono::Utc>> = kept.iter().map(|r| r.written_at).collect();
    let written = sqlx::query_scalar!(
        "INSERT INTO reviews AS r (source, review_id, movie_id, author, rating, content, written_at)
         SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::real[], $6::text[], $7::timestamptz[])
         ON CONFLICT (source, review_id) DO UPDATE
             SET author = excluded.author, rating = excluded.rating, content = excluded.content
             WHERE (r.author, r.rating, r.content) IS DISTINCT FROM (excluded.author, excluded.rating, excluded.content)
         RETURNING review_id",
        source.as_str(),
        &id,
        &movie,
        &author as &[Option<String>],
        &rating as &[Option<f32>],
        &content,
        &at,
    )
    .fetch_all(&mut *conn)
    .await?;
    tally.reviews += written.len() as u64;
    scoring::enqueue(conn, source, &written).await
}
