//! The artifact movie_recommendations: similar titles.

use chrono::NaiveDate;
use domain::page::Page;
use domain::{MovieId, RunId};
use serde_json::Value;
use sqlx::{PgExecutor, PgPool};

use crate::StorageError;

/// A movie and its similar titles, most similar first.
#[derive(Debug, Clone, PartialEq)]
pub struct Similar {
    /// The movie.
    pub movie_id: MovieId,
    /// Similar movies and their cosine, 0 to 1; most similar first.
    pub titles: Vec<(MovieId, f32)>,
}

/// Stages a chunk of movies. `unnest` flattens arrays of arrays, so rows are sent as JSON.
pub async fn stage(conn: impl PgExecutor<'_>, run: RunId, chunk: &[Similar]) -> Result<(), StorageError> {
    let rows: Value = chunk
        .iter()
        .map(|s| {
            serde_json::json!({
                "movie_id": s.movie_id,
                "similar_ids": s.titles.iter().map(|t| t.0).collect::<Vec<_>>(),
                "scores": s.titles.iter().map(|t| t.1).collect::<Vec<_>>(),
            })
        })
        .collect();
    sqlx::query!(
        "INSERT INTO movie_recommendations (run_id, movie_id, similar_ids, scores)
         SELECT $1, * FROM jsonb_to_recordset($2) AS r(movie_id bigint, similar_ids bigint[], scores real[])",
        run.0,
        rows,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One similar title.
#[derive(Debug, Clone, PartialEq)]
pub struct SimilarRow {
    /// The movie.
    pub movie_id: i64,
    /// The title in the catalogue.
    pub title: String,
    /// First release anywhere; `None`: unknown.
    pub release_date: Option<NaiveDate>,
    /// TMDB's genre names.
    pub genres: Vec<String>,
    /// Path under TMDB's image server.
    pub poster_path: Option<String>,
    /// Mean of the votes, 0 to 10; 0 without votes.
    pub vote_average: f64,
    /// Number of votes.
    pub vote_count: i64,
    /// TMDB's popularity: no unit, no upper bound.
    pub popularity: f64,
    /// Cosine similarity of the features, 0 to 1.
    pub score: f32,
}

/// A page of a movie's similar titles, and their number; tombstones made since the run are left out. `None` where the
/// movie does not exist. A movie added after the run has an empty list.
pub async fn page(
    pool: &PgPool,
    run: RunId,
    movie: MovieId,
    page: Page,
) -> Result<Option<(Vec<SimilarRow>, i64)>, StorageError> {
    let exists = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM movies WHERE movie_id = $1 AND tombstoned_at IS NULL) AS "exists!""#,
        movie.get(),
    )
    .fetch_one(pool)
    .await?;
    if !exists {
        return Ok(None);
    }
    let rows = sqlx::query_as!(
        SimilarRow,
        r#"SELECT m.movie_id, m.title, m.release_date, m.genres, m.poster_path, m.vote_average, m.vote_count,
                  m.popularity, s.score AS "score!"
           FROM movie_recommendations r,
                unnest(r.similar_ids, r.scores) WITH ORDINALITY AS s(movie_id, score, place)
                JOIN movies m ON m.movie_id = s.movie_id AND m.tombstoned_at IS NULL
           WHERE r.run_id = $1 AND r.movie_id = $2
           ORDER BY s.place"#,
        run.0,
        movie.get(),
    )
    .fetch_all(pool)
    .await?;
    let total = rows.len() as i64;
    let (skip, take) = (page.offset.get() as usize, page.limit.get() as usize);
    Ok(Some((rows.into_iter().skip(skip).take(take).collect(), total)))
}
