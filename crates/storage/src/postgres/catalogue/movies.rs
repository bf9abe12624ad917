//! Reading movies.

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

/// A movie's page.
#[derive(Debug, Clone)]
pub struct MovieDetail {
    /// The movie.
    pub movie_id: i64,
    /// As the catalogue shows it.
    pub title: String,
    /// In its original language, where that differs.
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
    /// TMDB's word: `Released`, `Rumored`, …
    pub status: Option<String>,
    /// `tt` and digits.
    pub imdb_id: Option<String>,
    /// Path under TMDB's image server.
    pub poster_path: Option<String>,
    /// TMDB's popularity: no unit, no upper bound.
    pub popularity: f64,
    /// Mean of the votes, 0 to 10; 0 without votes.
    pub vote_average: f64,
    /// Votes.
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

/// A movie's people as they are stored: readers pass them on, so parsing every name would buy nothing.
#[derive(Debug, Clone, Deserialize)]
pub struct PageCredits {
    /// `[{"person_id", "name"}]`
    pub directors: Box<RawValue>,
    /// `[{"person_id", "name", "character"}]`
    pub cast: Box<RawValue>,
}

/// A movie as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct MovieSummary {
    /// The movie.
    pub movie_id: i64,
    /// As the catalogue shows it.
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
    /// Votes.
    pub vote_count: i64,
    /// Path under TMDB's image server.
    pub poster_path: Option<String>,
}

/// What answers about one movie show of it beside their own numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Headline {
    pub title: String,
    /// The newest observation's, else the catalogue's.
    pub popularity: f64,
}

/// The headline of a movie; `None` where the catalogue does not have it, or no longer shows it.
pub async fn headline(pool: &PgPool, id: MovieId) -> Result<Option<Headline>, StorageError> {
    Ok(sqlx::query_as!(
        Headline,
        r#"SELECT m.title, coalesce(l.popularity, m.popularity) AS "popularity!"
           FROM movies m LEFT JOIN speed_latest l USING (movie_id)
           WHERE m.movie_id = $1 AND m.tombstoned_at IS NULL"#,
        id.get(),
    )
    .fetch_optional(pool)
    .await?)
}

/// Most popular first, with the number of all movies; `genre` in any case.
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

/// The movies after an id, by id.
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

/// The name under which movies carry a genre, whatever its case. `None`: no movie has it.
pub async fn genre_name(pool: &PgPool, genre: &str) -> Result<Option<String>, StorageError> {
    Ok(sqlx::query_scalar!(
        "SELECT genre FROM genre_stats_daily JOIN artifact_heads USING (run_id) WHERE lower(genre) = lower($1) LIMIT 1",
        genre,
    )
    .fetch_optional(pool)
    .await?)
}

/// What statistics need of every movie.
#[derive(Debug, Clone, PartialEq)]
pub struct MovieFactsRow {
    /// TMDB's genre names.
    pub genres: Vec<String>,
    /// First release anywhere; `None`: unknown.
    pub release_date: Option<NaiveDate>,
    /// Mean of the votes, 0 to 10; 0 without votes.
    pub vote_average: f64,
    /// Votes.
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

/// Streams the facts of all movies that are shown: memory does not grow with the catalogue.
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

/// What similarity needs of a movie.
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
    /// People who directed it.
    pub director_ids: Vec<i64>,
    /// Leading cast in billing order.
    pub cast_ids: Vec<i64>,
}

/// Streams the features of all movies that are shown, by id.
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

/// Movies that are shown.
pub async fn count(pool: &PgPool) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM movies WHERE tombstoned_at IS NULL"#)
        .fetch_one(pool)
        .await?)
}
