//! Candidates: the movies that fit a vector best, and the most popular ones, under filters.

use std::collections::HashMap;

use chrono::NaiveDate;
use domain::MovieId;
use sqlx::{AssertSqlSafe, PgPool};

use crate::StorageError;
use crate::postgres::catalogue::movie_id;

/// Which movies may be shown. `None` and empty mean that everything fits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Name of a genre as movies spell it.
    pub genre: Option<String>,
    /// Years of release.
    pub year_from: Option<i32>,
    pub year_to: Option<i32>,
    /// Least vote average, 0 to 10.
    pub min_rating: Option<f64>,
    /// Minutes. A movie of unknown length does not fit.
    pub max_runtime: Option<i32>,
    /// Original language, ISO 639-1.
    pub language: Option<String>,
    /// Movies that are left out: seen, hidden, named by the request.
    pub excluded: Vec<i64>,
}

impl Filter {
    fn released(&self) -> (Option<NaiveDate>, Option<NaiveDate>) {
        let day = |year: Option<i32>, month, day| year.and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
        (day(self.year_from, 1, 1), day(self.year_to, 12, 31))
    }
}

/// The conditions of [`Filter`], bound from `$2` on. One text for all statements of this module, so that they agree.
const FITS: &str = "m.tombstoned_at IS NULL AND ($2::text IS NULL OR m.genres @> ARRAY[$2])
    AND ($3::date IS NULL OR m.release_date >= $3) AND ($4::date IS NULL OR m.release_date <= $4)
    AND ($5::float8 IS NULL OR m.vote_average >= $5) AND ($6::int IS NULL OR m.runtime <= $6)
    AND ($7::text IS NULL OR m.original_language = $7) AND NOT m.movie_id = ANY($8)";

/// A movie in a list.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct MovieRow {
    pub movie_id: i64,
    pub title: String,
    pub release_date: Option<NaiveDate>,
    pub genres: Vec<String>,
    pub poster_path: Option<String>,
    pub popularity: f64,
    pub vote_average: f64,
    pub vote_count: i64,
}

const COLUMNS: &str =
    "m.movie_id, m.title, m.release_date, m.genres, m.poster_path, m.popularity, m.vote_average, m.vote_count";

/// The index is searched on until enough movies fit the filter, nearest first; after `hnsw.max_scan_tuples` rows the exact
/// scan takes over.
pub const HNSW_ITERATIVE_SCAN: (&str, &str) = ("hnsw.iterative_scan", "strict_order");

/// Candidates that HNSW keeps while it searches; 40 by default finds too few of a hundred neighbours.
pub const HNSW_EF_SEARCH: (&str, &str) = ("hnsw.ef_search", "400");

macro_rules! bound {
    ($query:expr, $filter:expr) => {{
        let (from, to) = $filter.released();
        $query
            .bind(&$filter.genre)
            .bind(from)
            .bind(to)
            .bind($filter.min_rating)
            .bind($filter.max_runtime)
            .bind(&$filter.language)
            .bind(&$filter.excluded)
    }};
}

/// The `count` movies whose inner product with the vector is greatest, of those that fit; fewer only where fewer fit.
///
/// The index answers first (`hnsw.iterative_scan` goes on until enough rows pass the filter, within
/// `hnsw.max_scan_tuples`). If it gives fewer, the rows that fit are counted, and if there are more, all of them are
/// scanned. Statements are built here because a vector's dimension is part of the index expression.
///
/// # Errors
/// [`StorageError`]; a vector of another dimension than the model's is the caller's mistake.
pub async fn nearest(
    pool: &PgPool,
    version: &str,
    vector: &[f32],
    filter: &Filter,
    count: i64,
) -> Result<Vec<(MovieRow, f32)>, StorageError> {
    let found = indexed(pool, version, vector, filter, count).await?;
    if found.len() as i64 >= count {
        return Ok(found);
    }
    let sql = format!(
        "SELECT count(*) FROM (SELECT FROM movie_vectors v JOIN movies m USING (movie_id)
         WHERE v.version = $1 AND {FITS} LIMIT $9) AS fitting"
    );
    let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(version);
    let fitting = bound!(query, filter).bind(count).fetch_one(pool).await?;
    if fitting == found.len() as i64 { Ok(found) } else { exact(pool, version, vector, filter, count).await }
}

/// What the index finds: the best ones nearly always, but fewer than `count` where the filter is narrow.
pub async fn indexed(
    pool: &PgPool,
    version: &str,
    vector: &[f32],
    filter: &Filter,
    count: i64,
) -> Result<Vec<(MovieRow, f32)>, StorageError> {
    let column = format!("v.vector::vector({})", vector.len());
    ordered(pool, version, vector, filter, count, &column).await
}

/// The exact answer: no index has this expression, so every row that fits is scored.
pub async fn exact(
    pool: &PgPool,
    version: &str,
    vector: &[f32],
    filter: &Filter,
    count: i64,
) -> Result<Vec<(MovieRow, f32)>, StorageError> {
    ordered(pool, version, vector, filter, count, "v.vector").await
}

async fn ordered(
    pool: &PgPool,
    version: &str,
    vector: &[f32],
    filter: &Filter,
    count: i64,
    column: &str,
) -> Result<Vec<(MovieRow, f32)>, StorageError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        #[sqlx(flatten)]
        movie: MovieRow,
        distance: f64,
    }
    let wanted = format!("$10::real[]::vector({})", vector.len());
    let sql = format!(
        "SELECT {COLUMNS}, {column} <#> {wanted} AS distance
         FROM movie_vectors v JOIN movies m USING (movie_id)
         WHERE v.version = $1 AND {FITS} ORDER BY {column} <#> {wanted} LIMIT $9"
    );
    let query = sqlx::query_as::<_, Row>(AssertSqlSafe(sql)).bind(version);
    let rows = bound!(query, filter).bind(count).bind(vector).fetch_all(pool).await?;
    // The operator gives the negative inner product, since indexes ascend.
    Ok(rows.into_iter().map(|row| (row.movie, -row.distance as f32)).collect())
}

/// The movies of these ids that fit, in no order.
pub async fn fitting(pool: &PgPool, ids: &[i64], filter: &Filter) -> Result<Vec<MovieRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM movies m WHERE m.movie_id = ANY($1) AND {FITS}");
    let query = sqlx::query_as::<_, MovieRow>(AssertSqlSafe(sql)).bind(ids);
    Ok(bound!(query, filter).fetch_all(pool).await?)
}

/// The movies that fit, most popular first, from place `$1` on. With `genres`, only movies that have one of them.
pub async fn popular(
    pool: &PgPool,
    genres: &[String],
    filter: &Filter,
    skipped: i64,
    count: i64,
) -> Result<Vec<MovieRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM movies m WHERE {FITS} AND (cardinality($10::text[]) = 0 OR m.genres && $10)
         ORDER BY m.popularity DESC, m.movie_id LIMIT $9 OFFSET $1"
    );
    let query = sqlx::query_as::<_, MovieRow>(AssertSqlSafe(sql)).bind(skipped);
    Ok(bound!(query, filter).bind(count).bind(genres).fetch_all(pool).await?)
}

/// The vectors of these movies in a model's space; movies without one are absent.
pub async fn vectors(pool: &PgPool, version: &str, ids: &[i64]) -> Result<HashMap<MovieId, Vec<f32>>, StorageError> {
    let rows = sqlx::query!(
        r#"SELECT movie_id, vector::real[] AS "vector!" FROM movie_vectors WHERE version = $1 AND movie_id = ANY($2)"#,
        version,
        ids,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|row| Ok((movie_id(row.movie_id)?, row.vector))).collect()
}
