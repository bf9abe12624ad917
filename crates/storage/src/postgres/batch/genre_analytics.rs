//! The artifact genre_analytics: sums over a genre's movies by year and month of release.

use chrono::NaiveDate;
use domain::RunId;
use domain::artifacts::Artifact;
use domain::genre_analytics::{GenreSums, Selection, Sum};
use domain::genre_stats::MovieFacts;
use domain::page::Limit;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::{PgExecutor, PgPool};

use crate::StorageError;

/// A movie as the statistics use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Movie {
    /// TMDB's genre names.
    pub genres: Vec<String>,
    /// First release anywhere; `None`: unknown.
    pub release_date: Option<NaiveDate>,
    /// The values that are averaged.
    pub facts: MovieFacts,
    /// Sentiment of its reviews, from the published run of hourly sentiment.
    pub sentiment: Sum,
}

/// Streams every movie that is not a tombstone, in id order.
pub fn movies(pool: &PgPool) -> BoxStream<'_, Result<Movie, StorageError>> {
    sqlx::query!(
        r#"SELECT m.genres, m.release_date, m.vote_average, m.vote_count, m.popularity, m.revenue, m.budget, m.runtime,
                  coalesce(s.sum, 0) AS "sentiment!", coalesce(s.reviews, 0) AS "reviews!"
           FROM movies m LEFT JOIN
                (SELECT movie_id, sum(sum) AS sum, sum(positive + negative + neutral)::bigint AS reviews
                 FROM batch_sentiment_hourly JOIN artifact_heads USING (run_id) WHERE artifact = $1
                 GROUP BY movie_id) AS s USING (movie_id)
           WHERE m.tombstoned_at IS NULL ORDER BY m.movie_id"#,
        Artifact::BatchSentimentHourly.as_str(),
    )
    .fetch(pool)
    .map_ok(|row| Movie {
        genres: row.genres,
        release_date: row.release_date,
        facts: MovieFacts {
            vote_average: row.vote_average,
            vote_count: row.vote_count,
            popularity: row.popularity,
            revenue: row.revenue,
            budget: row.budget,
            runtime: row.runtime,
        },
        sentiment: Sum { sum: row.sentiment, count: row.reviews },
    })
    .map_err(StorageError::from)
    .boxed()
}

/// The sums of one genre, year and month.
#[derive(Debug, Clone, PartialEq)]
pub struct Month {
    /// TMDB's genre name.
    pub genre: String,
    /// Year of release; 0: unknown.
    pub year: i32,
    /// Month of release, 1 to 12; 0: unknown.
    pub month: i32,
    /// Sums over the movies of that genre, year and month.
    pub sums: GenreSums,
}

/// Stages a chunk of rows.
pub async fn stage(conn: impl PgExecutor<'_>, run: RunId, months: &[Month]) -> Result<(), StorageError> {
    let genre: Vec<String> = months.iter().map(|month| month.genre.clone()).collect();
    let year: Vec<i32> = months.iter().map(|month| month.year).collect();
    let of_year: Vec<i32> = months.iter().map(|month| month.month).collect();
    let sum = |f: fn(&GenreSums) -> f64| months.iter().map(|month| f(&month.sums)).collect::<Vec<f64>>();
    let count = |f: fn(&GenreSums) -> i64| months.iter().map(|month| f(&month.sums)).collect::<Vec<i64>>();
    sqlx::query!(
        "INSERT INTO genre_analytics (run_id, genre, year, month, total_movies, rating_sum, rating_count, sentiment_sum,
             sentiment_count, popularity_sum, budget_sum, budget_count, runtime_sum, runtime_count, total_revenue)
         SELECT $1, * FROM unnest($2::text[], $3::integer[], $4::integer[], $5::bigint[], $6::float8[], $7::bigint[],
             $8::float8[], $9::bigint[], $10::float8[], $11::float8[], $12::bigint[], $13::float8[], $14::bigint[],
             $15::bigint[])",
        run.0,
        &genre,
        &year,
        &of_year,
        &count(|s| s.total_movies),
        &sum(|s| s.rating.sum),
        &count(|s| s.rating.count),
        &sum(|s| s.sentiment.sum),
        &count(|s| s.sentiment.count),
        &sum(|s| s.popularity.sum),
        &sum(|s| s.budget.sum),
        &count(|s| s.budget.count),
        &sum(|s| s.runtime.sum),
        &count(|s| s.runtime.count),
        &count(|s| s.total_revenue),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The sums of a selection of months; all zero where no movie is selected.
pub async fn sums(pool: &PgPool, run: RunId, selection: &Selection) -> Result<GenreSums, StorageError> {
    let row = sqlx::query!(
        r#"SELECT coalesce(sum(total_movies), 0)::bigint AS "total_movies!",
                  coalesce(sum(rating_sum), 0) AS "rating!", coalesce(sum(rating_count), 0)::bigint AS "rated!",
                  coalesce(sum(sentiment_sum), 0) AS "sentiment!",
                  coalesce(sum(sentiment_count), 0)::bigint AS "reviews!",
                  coalesce(sum(popularity_sum), 0) AS "popularity!",
                  coalesce(sum(budget_sum), 0) AS "budget!", coalesce(sum(budget_count), 0)::bigint AS "budgets!",
                  coalesce(sum(runtime_sum), 0) AS "runtime!", coalesce(sum(runtime_count), 0)::bigint AS "runtimes!",
                  coalesce(sum(total_revenue), 0)::bigint AS "total_revenue!"
           FROM genre_analytics
           WHERE run_id = $1 AND genre = $2 AND ($3::integer IS NULL OR year = $3)
             AND ($4::integer IS NULL OR month = $4)"#,
        run.0,
        selection.genre,
        selection.year,
        selection.month,
    )
    .fetch_one(pool)
    .await?;
    Ok(GenreSums {
        total_movies: row.total_movies,
        rating: Sum { sum: row.rating, count: row.rated },
        sentiment: Sum { sum: row.sentiment, count: row.reviews },
        popularity: Sum { sum: row.popularity, count: row.total_movies },
        budget: Sum { sum: row.budget, count: row.budgets },
        runtime: Sum { sum: row.runtime, count: row.runtimes },
        total_revenue: row.total_revenue,
    })
}

/// A movie in the list of a selection.
#[derive(Debug, Clone, PartialEq)]
pub struct MovieRow {
    /// The movie.
    pub movie_id: i64,
    /// The title in the catalogue.
    pub title: String,
    /// Mean of the votes, 0 to 10; 0 without votes.
    pub vote_average: f64,
    /// TMDB's popularity: no unit, no upper bound.
    pub popularity: f64,
    /// Number of votes.
    pub vote_count: i64,
    /// First release anywhere; `None`: unknown.
    pub release_date: Option<NaiveDate>,
}

/// Streams all movies of a selection: highest rating first, then most votes.
pub fn list<'a>(pool: &'a PgPool, selection: &'a Selection) -> BoxStream<'a, Result<MovieRow, StorageError>> {
    let (from, to) = selection.released().unzip();
    sqlx::query_as!(
        MovieRow,
        "SELECT movie_id, title, vote_average, popularity, vote_count, release_date FROM movies
         WHERE tombstoned_at IS NULL AND genres @> ARRAY[$1]
           AND ($2::date IS NULL OR (release_date >= $2 AND release_date < $3))
           AND ($4::integer IS NULL OR extract(month FROM release_date) = $4)
         ORDER BY vote_average DESC, vote_count DESC, movie_id",
        selection.genre,
        from,
        to,
        selection.month,
    )
    .fetch(pool)
    .map_err(StorageError::from)
    .boxed()
}

/// The next movies of a selection after an id, in id order.
pub async fn after(
    pool: &PgPool,
    selection: &Selection,
    after: i64,
    limit: Limit,
) -> Result<Vec<MovieRow>, StorageError> {
    let (from, to) = selection.released().unzip();
    Ok(sqlx::query_as!(
        MovieRow,
        "SELECT movie_id, title, vote_average, popularity, vote_count, release_date FROM movies
         WHERE tombstoned_at IS NULL AND genres @> ARRAY[$1]
           AND ($2::date IS NULL OR (release_date >= $2 AND release_date < $3))
           AND ($4::integer IS NULL OR extract(month FROM release_date) = $4) AND movie_id > $5
         ORDER BY movie_id LIMIT $6",
        selection.genre,
        from,
        to,
        selection.month,
        after,
        limit.get(),
    )
    .fetch_all(pool)
    .await?)
}
