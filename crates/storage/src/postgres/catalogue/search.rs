//! PostgreSQL as a search engine: full-text search for exact words, trigrams for misspelt ones.

use chrono::{Datelike, NaiveDate};
use domain::page::{Limit, Offset, Page};
use domain::search::{Engine, MAX_TOTAL, SearchDocument, SearchHit, SearchQuery, SearchResults, SortBy};
use sqlx::PgPool;

use super::movie_id;
use crate::StorageError;

struct HitRow {
    movie_id: i64,
    title: String,
    release_date: Option<NaiveDate>,
    genres: Vec<String>,
    vote_average: f64,
    vote_count: i64,
    popularity: f64,
    overview: Option<String>,
    poster_path: Option<String>,
    total: i64,
}

/// Executes a search. At most [`MAX_TOTAL`] hits are ranked and counted.
pub async fn search(pool: &PgPool, query: &SearchQuery) -> Result<SearchResults, StorageError> {
    let rows = hits(pool, query, query.page).await?;
    let total = match rows.first() {
        Some(row) => row.total,
        // The total is a column of the rows, and a page beyond the end has none: the first row is read for it.
        None if query.page.offset.get() > 0 => {
            let first = Page { limit: Limit::ONE, offset: Offset::default() };
            hits(pool, query, first).await?.first().map_or(0, |row| row.total)
        }
        None => 0,
    };
    let hits = rows
        .into_iter()
        .map(|row| {
            Ok(SearchHit {
                movie_id: movie_id(row.movie_id)?,
                title: row.title,
                release_date: row.release_date,
                genres: row.genres,
                vote_average: row.vote_average,
                vote_count: row.vote_count,
                popularity: row.popularity,
                overview: row.overview,
                poster_path: row.poster_path,
            })
        })
        .collect::<Result<_, StorageError>>()?;
    Ok(SearchResults { hits, total, engine: Engine::Postgres })
}

async fn hits(pool: &PgPool, query: &SearchQuery, page: Page) -> Result<Vec<HitRow>, StorageError> {
    let sort = match query.sort_by {
        SortBy::Relevance => "relevance",
        SortBy::Popularity => "popularity",
        SortBy::Rating => "rating",
        SortBy::ReleaseDate => "release_date",
    };
    Ok(sqlx::query_as!(
        HitRow,
        r#"WITH q AS (
               -- plainto_tsquery quotes what a user types, so none of it is syntax; the last word may be unfinished
               -- ("dark kni"), so it matches as a prefix.
               SELECT fold($1) AS key,
                      CASE WHEN numnode(p) = 0 THEN p ELSE (p::text || ':*')::tsquery END AS words
               FROM plainto_tsquery('simple', fold($1)) AS p),
           found AS (
               SELECT s.movie_id,
                      -- Whole title, then its beginning, then likeness of title and weight of the words found.
                      (CASE WHEN s.title_key = q.key THEN 4 WHEN s.title_key LIKE 'the ' || q.key THEN 3.5
                            WHEN starts_with(s.title_key, q.key) THEN 2 ELSE 0 END
                       + word_similarity(q.key, s.title_key) + similarity(q.key, s.title_key)
                       + 2 * ts_rank(s.document, q.words)) AS relevance
               FROM movie_search s, q
               WHERE $1 = '' OR s.document @@ q.words OR q.key <% s.title_key),
           hits AS (
               SELECT m.movie_id, m.title, m.release_date, m.genres, m.vote_average, m.vote_count, m.popularity,
                      m.overview, m.poster_path, f.relevance
               FROM found f JOIN movies m USING (movie_id)
               WHERE m.tombstoned_at IS NULL
                 AND ($2::text IS NULL OR EXISTS (SELECT 1 FROM unnest(m.genres) g WHERE lower(g) = lower($2)))
                 AND ($3::float8 IS NULL OR m.vote_average >= $3)
                 AND ($4::float8 IS NULL OR m.vote_average <= $4)
                 AND ($5::int IS NULL OR m.release_date >= make_date($5, 1, 1))
                 AND ($6::int IS NULL OR m.release_date <= make_date($6, 12, 31))
               ORDER BY CASE $7 WHEN 'relevance' THEN relevance WHEN 'popularity' THEN m.popularity
                                WHEN 'rating' THEN m.vote_average
                                ELSE extract(epoch FROM m.release_date)::float8 END DESC NULLS LAST,
                        m.popularity DESC, m.movie_id
               LIMIT $8)
           SELECT movie_id AS "movie_id!", title AS "title!", release_date, genres AS "genres!",
                  vote_average AS "vote_average!", vote_count AS "vote_count!", popularity AS "popularity!", overview,
                  poster_path, (SELECT count(*) FROM hits) AS "total!"
           FROM hits LIMIT $9 OFFSET $10"#,
        query.text,
        query.genre.as_deref(),
        query.rating_min,
        query.rating_max,
        query.year_from,
        query.year_to,
        sort,
        MAX_TOTAL,
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?)
}

struct DocumentRow {
    movie_id: i64,
    title: String,
    original_title: Option<String>,
    release_date: Option<NaiveDate>,
    genres: Vec<String>,
    vote_average: f64,
    vote_count: i64,
    popularity: f64,
    overview: Option<String>,
    poster_path: Option<String>,
    keywords: Vec<String>,
    people: Vec<String>,
}

impl TryFrom<DocumentRow> for SearchDocument {
    type Error = StorageError;
    fn try_from(row: DocumentRow) -> Result<Self, StorageError> {
        Ok(Self {
            title_words: row.title.split_whitespace().count(),
            hit: SearchHit {
                movie_id: movie_id(row.movie_id)?,
                title: row.title,
                release_date: row.release_date,
                genres: row.genres,
                vote_average: row.vote_average,
                vote_count: row.vote_count,
                popularity: row.popularity,
                overview: row.overview,
                poster_path: row.poster_path,
            },
            original_title: row.original_title,
            release_year: row.release_date.map(|date| date.year()),
            keywords: row.keywords,
            people: row.people,
        })
    }
}

/// The next `limit` movies after an id as search documents, in id order.
pub async fn documents(pool: &PgPool, after: i64, limit: i64) -> Result<Vec<SearchDocument>, StorageError> {
    let ids = sqlx::query_scalar!(
        "SELECT movie_id FROM movies WHERE movie_id > $1 AND tombstoned_at IS NULL ORDER BY movie_id LIMIT $2",
        after,
        limit,
    )
    .fetch_all(pool)
    .await?;
    documents_of(pool, &ids).await
}

/// The search documents of these movies in id order, without tombstones.
pub async fn documents_of(pool: &PgPool, ids: &[i64]) -> Result<Vec<SearchDocument>, StorageError> {
    sqlx::query_as!(
        DocumentRow,
        r#"SELECT movie_id, title, original_title, release_date, genres, vote_average, vote_count, popularity, overview,
                  poster_path, keywords,
                  ARRAY(SELECT p ->> 'name' FROM jsonb_array_elements((credits -> 'directors') || (credits -> 'cast')) AS p)
                      AS "people!"
           FROM movies WHERE movie_id = ANY($1) AND tombstoned_at IS NULL ORDER BY movie_id"#,
        ids,
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(SearchDocument::try_from)
    .collect()
}

/// Rewrites the PostgreSQL search rows of all movies in chunks and returns the number of movies. Ingest keeps the rows
/// current; the rebuild corrects drift.
pub async fn rebuild(pool: &PgPool, mut progress: impl FnMut(i64)) -> Result<i64, StorageError> {
    const CHUNK: i64 = 5_000;
    let (mut after, mut done) = (0, 0);
    loop {
        let mut tx = pool.begin().await?;
        let ids = sqlx::query_scalar!(
            "SELECT movie_id FROM movies WHERE movie_id > $1 AND tombstoned_at IS NULL ORDER BY movie_id LIMIT $2",
            after,
            CHUNK,
        )
        .fetch_all(&mut *tx)
        .await?;
        let Some(last) = ids.last() else { break };
        after = *last;
        super::refresh_search(&mut tx, &ids).await?;
        tx.commit().await?;
        done += ids.len() as i64;
        progress(done);
    }
    Ok(done)
}
