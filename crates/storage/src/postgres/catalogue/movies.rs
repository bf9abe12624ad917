//! Queries for movies.

use chrono::{DateTime, NaiveDate, Utc};
use domain::MovieId;
use domain::page::{Limit, Page};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::PgPool;
use sqlx::types::Json;

use super::movie_id;
use crate::StorageError;

/// A movie with all its catalogue fields.
#[derive(Debug, Clone)]
pub struct MovieDetail {
    /// The movie.
    pub movie_id: i64,
    /// The title in the catalogue.
    pub title: String,
    /// The title in the original language, where it differs.
    pub original_title: Option<String>,
    /// The plot in a paragraph.
    pub overview: Option<String>,
    /// The advertising line.
    pub tagline: Option<String>,
    /// First release anywhere; `None`: unknown.
    pub release_date: Option<NaiveDate>,
    /// Minutes; `None`: unknown.
    pub runtime: Option<i32>,
    /// US dollars; `None`: unknown.
    pub budget: Option<i64>,
    /// US dollars; `None`: unknown.
    pub revenue: Option<i64>,
    /// ISO 639-1 code.
    pub original_language: Option<String>,
    /// TMDB's status: `Released`, `Rumored`, …
    pub status: Option<String>,
    /// IMDb id: `tt` and digits.
    pub imdb_id: Option<String>,
    /// Path under TMDB's image server.
    pub poster_path: Option<String>,
    /// TMDB's popularity: no unit, no upper bound.
    pub popularity: f64,
    /// Mean of the votes, 0 to 10; 0 without votes.
    pub vote_average: f64,
    /// Number of votes.
    pub vote_count: i64,
    /// TMDB's genre names.
    pub genres: Vec<String>,
    /// TMDB's keywords.
    pub keywords: Vec<String>,
    /// Directors and leading cast.
    pub credits: Json<PageCredits>,
    /// When a source last changed the row.
    pub updated_at: DateTime<Utc>,
}

/// A movie's people as raw JSON: readers pass them on unparsed.
#[derive(Debug, Clone, Deserialize)]
pub struct PageCredits {
    /// `[{"person_id", "name"}]`
    pub directors: Box<RawValue>,
    /// `[{"person_id", "name", "character"}]`
    pub cast: Box<RawValue>,
}

/// A movie in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct MovieSummary {
    /// The movie.
    pub movie_id: i64,
    /// The title in the catalogue.
    pub title: String,
    /// First release anywhere; `None`: unknown.
    pub release_date: Option<NaiveDate>,
    /// TMDB's genre names.
    pub genres: Vec<String>,
    /// Minutes; `None`: unknown.
    pub runtime: Option<i32>,
    /// TMDB's popularity: no unit, no upper bound.
    pub popularity: f64,
    /// Mean of the votes, 0 to 10; 0 without votes.
    pub vote_average: f64,
    /// Number of votes.
    pub vote_count: i64,
    /// Path under TMDB's image server.
    pub poster_path: Option<String>,
}

/// The fields of a movie that answers about one movie include besides their own numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Headline {
    pub title: String,
    /// As last observed.
    pub popularity: f64,
}

/// The headline of a movie; `None` where the movie does not exist or is a tombstone.
pub async fn headline(pool: &PgPool, id: MovieId) -> Result<Option<Headline>, StorageError> {
    Ok(sqlx::query_as!(
        Headline,
        "SELECT title, popularity FROM movies WHERE movie_id = $1 AND tombstoned_at IS NULL",
        id.get(),
    )
    .fetch_optional(pool)
    .await?)
}

/// A page of movies, most popular first, and the number of all movies; the case of `genre` is ignored.
pub async fn list(pool: &PgPool, genre: Option<&str>, page: Page) -> Result<(Vec<MovieSummary>, i64), StorageError> {
    let rows = sqlx::query_as!(
        MovieSummary,
        "SELECT movie_id, title, release_date, genres, runtime, popularity, vote_average, vote_count, poster_path
         FROM movies
         WHERE tombstoned_at IS NULL AND ($1::text IS NULL OR genres @> ARRAY[$1])
         ORDER BY popularity DESC, movie_id LIMIT $2 OFFSET $3",
        genre,
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar!(
        r#"SELECT count(*) AS "n!" FROM movies WHERE tombstoned_at IS NULL AND ($1::text IS NULL OR genres @> ARRAY[$1])"#,
        genre,
    )
    .fetch_one(pool)
    .await?;
    Ok((rows, total))
}

/// The next movies after an id, in id order.
pub async fn after(
    pool: &PgPool,
    genre: Option<&str>,
    after: i64,
    limit: Limit,
) -> Result<Vec<MovieSummary>, StorageError> {
    Ok(sqlx::query_as!(
        MovieSummary,
        "SELECT movie_id, title, release_date, genres, runtime, popularity, vote_average, vote_count, poster_path
         FROM movies
         WHERE tombstoned_at IS NULL AND ($1::text IS NULL OR genres @> ARRAY[$1]) AND movie_id > $2
         ORDER BY movie_id LIMIT $3",
        genre,
        after,
        limit.get(),
    )
    .fetch_all(pool)
    .await?)
}

/// The spelling under which movies carry a genre, for a name in any case. `None` where no movie has the genre.
pub async fn genre_name(pool: &PgPool, genre: &str) -> Result<Option<String>, StorageError> {
    Ok(sqlx::query_scalar!(
        "SELECT genre FROM genre_stats_daily JOIN artifact_heads USING (run_id) WHERE lower(genre) = lower($1) LIMIT 1",
        genre,
    )
    .fetch_optional(pool)
    .await?)
}

/// The values of a movie that the statistics use.
#[derive(Debug, Clone, PartialEq)]
pub struct MovieFactsRow {
    /// TMDB's genre names.
    pub genres: Vec<String>,
    /// First release anywhere; `None`: unknown.
    pub release_date: Option<NaiveDate>,
    /// Mean of the votes, 0 to 10; 0 without votes.
    pub vote_average: f64,
    /// Number of votes.
    pub vote_count: i64,
    /// TMDB's popularity: no unit, no upper bound.
    pub popularity: f64,
    /// US dollars; `None`: unknown.
    pub revenue: Option<i64>,
    /// US dollars; `None`: unknown.
    pub budget: Option<i64>,
    /// Minutes; `None`: unknown.
    pub runtime: Option<i32>,
}

/// Streams the values of every movie that is not a tombstone, so that memory does not grow with the catalogue.
pub fn facts(pool: &PgPool) -> BoxStream<'_, Result<MovieFactsRow, StorageError>> {
    sqlx::query_as!(
        MovieFactsRow,
        "SELECT genres, release_date, vote_average, vote_count, popularity, revenue, budget, runtime
         FROM movies WHERE tombstoned_at IS NULL"
    )
    .fetch(pool)
    .map_err(StorageError::from)
    .boxed()
}

/// The features of a movie that similarity uses.
#[derive(Debug, Clone, PartialEq)]
pub struct MovieFeaturesRow {
    /// The movie.
    pub movie_id: MovieId,
    /// TMDB's genre names.
    pub genres: Vec<String>,
    /// TMDB's keywords.
    pub keywords: Vec<String>,
    /// First release anywhere; `None`: unknown.
    pub release_date: Option<NaiveDate>,
    /// Ids of the directors.
    pub director_ids: Vec<i64>,
    /// Ids of the leading cast in billing order.
    pub cast_ids: Vec<i64>,
}

/// Streams the features of every movie that is not a tombstone, in id order.
pub fn features(pool: &PgPool) -> BoxStream<'_, Result<MovieFeaturesRow, StorageError>> {
    sqlx::query!(
        r#"SELECT movie_id, genres, keywords, release_date,
                  ARRAY(SELECT (p ->> 'person_id')::bigint FROM jsonb_array_elements(credits -> 'directors') AS p)
                      AS "director_ids!",
                  ARRAY(SELECT (p ->> 'person_id')::bigint FROM jsonb_array_elements(credits -> 'cast') AS p)
                      AS "cast_ids!"
           FROM movies WHERE tombstoned_at IS NULL ORDER BY movie_id"#
    )
    .fetch(pool)
    .map(|row| {
        let row = row?;
        Ok(MovieFeaturesRow {
            movie_id: movie_id(row.movie_id)?,
            genres: row.genres,
            keywords: row.keywords,
            release_date: row.release_date,
            director_ids: row.director_ids,
            cast_ids: row.cast_ids,
        })
    })
    .boxed()
}

/// Number of movies that are not tombstones.
pub async fn count(pool: &PgPool) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM movies WHERE tombstoned_at IS NULL"#)
        .fetch_one(pool)
        .await?)
}
