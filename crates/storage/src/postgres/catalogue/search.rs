//! PostgreSQL as a search engine: full-text search for exact words, trigrams for misspelt ones.

use chrono::{Datelike, NaiveDate};
use domain::page::{Limit, Offset, Page};
use domain::search::{
    Engine, MAX_TOTAL, NameFields, QueryKeys, SearchDocument, SearchHit, SearchQuery, SearchResults, SortBy,
    without_article,
};
use sqlx::PgPool;

use super::movie_id;
pub use super::search_rows::{rebuild, upgrade};
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

/// Titles that are compared letter by letter with a misspelt text; better ones are not hidden behind them.
const ALIKE_MAX: i32 = 50;

/// Words that describe the request rather than the movie.
const FILLERS: &[&str] = &["movie", "movies", "film", "films", "starring", "directed"];

/// The words of a folded text that describe a movie.
fn content(folded: &str) -> Vec<String> {
    let words = |keep: fn(&str) -> bool| folded.split(' ').filter(|word| keep(word)).map(str::to_owned).collect();
    let content: Vec<String> = words(|word| !word.is_empty() && !FILLERS.contains(&word));
    if content.is_empty() { words(|word| !word.is_empty()) } else { content }
}

/// Reads one page. The tiers, of which the lowest are only read where the others are empty:
///
/// 0 title · 1 part of a title, or the number in a series · 2 beginning of a title · 3 initials · 4 a person's whole name ·
/// 5 part of a person's name, an unfinished word of a title, all words in a title · 6 a long title with one wrong letter ·
/// 7 all words · 8 likeness to a title or name · 9 most words.
///
/// Any other order than relevance holds within titles (0 to 3), people (4 and 5), words (6 and 7) and the rest.
async fn hits(pool: &PgPool, query: &SearchQuery, page: Page) -> Result<Vec<HitRow>, StorageError> {
    let sort = match query.sort_by {
        SortBy::Relevance => "relevance",
        SortBy::Popularity => "popularity",
        SortBy::Rating => "rating",
        SortBy::ReleaseDate => "release_date",
    };
    let keys = QueryKeys::of(&query.text);
    let (series, number) = keys.numbered.unzip();
    Ok(sqlx::query_as!(
        HitRow,
        r#"WITH typed AS (
               SELECT word, place, place = count(*) OVER () AS last, ts_lexize('english_stem', word) AS stem
               FROM unnest($13::text[]) WITH ORDINALITY AS t(word, place)),
           -- Stop words alone name titles or nothing. Years count in titles, people and dates, not in plots. The last word may
           -- be unfinished. Folded words have letters and digits only, so none of them is syntax.
           terms AS (
               SELECT word, place,
                      CASE WHEN word ~ '^(19|20)[0-9]{2}$' THEN quote_literal(word) || ':AB'
                           ELSE '(' || quote_literal(word)
                                || CASE WHEN last AND length(word) > 2 THEN ' | ' || quote_literal(word) || ':*AC' ELSE '' END
                                || ' | ' || quote_literal(stem[1]) || ':CD)' END AS term
               FROM typed WHERE stem <> '{}'),
           q AS MATERIALIZED (
               SELECT string_agg(term, ' & ' ORDER BY place)::tsquery AS every,
                      string_agg(term, ' | ' ORDER BY place)::tsquery AS some,
                      string_agg(quote_literal(word) || ':A', ' & ')::tsquery AS in_title,
                      array_agg(term::tsquery) AS each, count(*) AS terms, fold_name($1) AS name,
                      CASE WHEN fold_name($1) <> '' THEN plainto_tsquery('simple', fold_name($1)) END AS named
               FROM terms),
           named AS MATERIALIZED (
               SELECT k.movie_id, CASE k.kind WHEN 0 THEN 0 WHEN 1 THEN 1 ELSE 3 END AS tier, (k.key = $12)::int AS whole
               FROM movie_search_keys k WHERE k.key = ANY($11)
               UNION ALL
               SELECT k.movie_id, CASE WHEN starts_with(k.key, form || ' ') THEN 2 ELSE 5 END,
                      -- "dark kni" means "The Dark Knight", not what has more words.
                      (position(' ' IN substr(k.key, length(form) + 1)) = 0
                       AND (position(' ' IN form) > 0 OR position(' ' IN $16) = 0))::int
               FROM q CROSS JOIN unnest($11::text[]) AS form JOIN movie_search_keys k
                   ON k.key > form COLLATE "C" AND k.key < (form || chr(1114111)) COLLATE "C" AND k.kind < 2
               WHERE q.terms > 0 AND (length(form) > 2 OR starts_with(k.key, form || ' '))),
           titled AS MATERIALIZED (
               SELECT movie_id, min(tier) AS tier, 2 * max(whole) AS bonus FROM named GROUP BY movie_id),
           -- "alien 2": series whose titles carry no numbers are counted by date.
           series AS (
               SELECT movie_id FROM (
                   SELECT DISTINCT m.movie_id, m.release_date
                   FROM movie_search_keys k JOIN movies m USING (movie_id)
                   WHERE m.tombstoned_at IS NULL
                     AND (k.key = $14 OR k.kind < 2 AND k.key > ($14 || ' ') COLLATE "C" AND k.key < ($14 || '!') COLLATE "C")
               ) AS movies_of_series
               WHERE NOT (SELECT EXISTS (SELECT FROM titled WHERE tier < 3))
               ORDER BY release_date NULLS LAST, movie_id LIMIT 1 OFFSET $15::bigint - 1),
           persons AS (
               SELECT p.person_id, p.name_key = q.name AS whole FROM q JOIN people p
                   ON to_tsvector('simple', p.name_key) @@ q.named
               WHERE q.terms > 0
               -- A first name that thousands bear says little.
               ORDER BY p.name_key = q.name DESC, p.name_key LIKE '% ' || q.name DESC, p.person_id LIMIT 200),
           billed AS MATERIALIZED (
               SELECT c.movie_id, CASE WHEN bool_or(p.whole) THEN 4 ELSE 5 END AS tier,
                      max(CASE WHEN c.role = 'director' THEN 1 ELSE greatest(0.2, 1 - 0.1 * c.position) END)::float8 AS part
               -- OFFSET 0: a few people's credits come from the index; a join would read all of them.
               FROM persons p
               CROSS JOIN LATERAL (SELECT * FROM movie_credits c WHERE c.person_id = p.person_id OFFSET 0) AS c
               GROUP BY c.movie_id),
           worded AS MATERIALIZED (
               SELECT s.movie_id, CASE WHEN s.document @@ q.in_title THEN 5 ELSE 7 END AS tier,
                      ts_rank('{0.1, 0.4, 0.6, 1}', s.document, q.some) AS rank
               FROM q JOIN movie_search s ON s.document @@ q.every),
           exact AS MATERIALIZED (
               SELECT movie_id, tier, 1::float8 AS part, bonus::float8 AS bonus FROM titled
               UNION ALL SELECT movie_id, 1, 1, 0 FROM series
               UNION ALL SELECT movie_id, tier, part, 0 FROM billed
               UNION ALL SELECT movie_id, tier, 1.2, 8 * rank FROM worded
               UNION ALL SELECT movie_id, 0, 1, 0 FROM movie_search WHERE $1 = ''),
           -- Plots have so many words that a misspelt title may be among them: "the shinning".
           misspelt AS MATERIALIZED (
               SELECT t.movie_id, t.likeness, length($16) >= 7 AND t.letters <= 1 AS near
               FROM q, titles_alike($16, $17) AS t
               WHERE q.terms > 0 AND NOT (SELECT EXISTS (SELECT FROM exact WHERE tier < 7))
                 AND (length($16) >= 7 OR NOT (SELECT EXISTS (SELECT FROM exact)))),
           alike AS MATERIALIZED (
               SELECT movie_id, max(likeness) AS likeness, CASE WHEN bool_or(near) THEN 6 ELSE 8 END AS tier FROM (
                   SELECT movie_id, likeness, near FROM misspelt WHERE near OR NOT (SELECT EXISTS (SELECT FROM exact))
                   UNION ALL
                   SELECT c.movie_id, p.likeness * CASE WHEN c.role = 'director' THEN 1
                                                        ELSE greatest(0.6, 1 - 0.05 * c.position) END, false
                   FROM q, people_alike(q.name, 5) AS p
                   CROSS JOIN LATERAL (SELECT * FROM movie_credits c WHERE c.person_id = p.person_id OFFSET 0) AS c
                   WHERE NOT (SELECT EXISTS (SELECT FROM exact)) AND q.terms > 0) AS likenesses
               GROUP BY movie_id),
           partial AS (
               SELECT s.movie_id, ts_rank('{0.2, 0.4, 0.6, 1}', s.document, q.some) AS rank,
                      (SELECT count(*) FROM unnest(q.each) AS term WHERE s.document @@ term) AS matched
               FROM q JOIN movie_search s ON s.document @@ q.some
               WHERE q.terms > 2 AND NOT (SELECT EXISTS (SELECT FROM exact)) AND NOT (SELECT EXISTS (SELECT FROM alike))),
           found AS (
               SELECT DISTINCT ON (movie_id) movie_id, tier, part, bonus FROM (
                   SELECT * FROM exact
                   UNION ALL SELECT movie_id, tier, 0.05, 10 * likeness FROM alike
                   UNION ALL SELECT movie_id, 9, 0.1, 5 * matched + 5 * rank FROM partial, q WHERE 2 * matched > q.terms
               ) AS every_way
               ORDER BY movie_id, tier, part DESC, bonus DESC),
           hits AS (
               SELECT m.movie_id, m.title, m.release_date, m.genres, m.vote_average, m.vote_count, m.popularity,
                      m.overview, m.poster_path
               FROM found f JOIN movies m USING (movie_id)
               WHERE m.tombstoned_at IS NULL
                 AND ($2::text IS NULL OR EXISTS (SELECT 1 FROM unnest(m.genres) g WHERE lower(g) = lower($2)))
                 AND ($3::float8 IS NULL OR m.vote_average >= $3)
                 AND ($4::float8 IS NULL OR m.vote_average <= $4)
                 AND ($5::int IS NULL OR m.release_date >= make_date($5, 1, 1))
                 AND ($6::int IS NULL OR m.release_date <= make_date($6, 12, 31))
               ORDER BY CASE WHEN $7 = 'relevance' OR tier > 7 THEN tier WHEN tier < 4 THEN 0 WHEN tier < 6 THEN 4 ELSE 7 END,
                        CASE $7 WHEN 'relevance' THEN CASE WHEN $1 = '' THEN m.popularity
                                                           -- How well known it is, by the person's part in it.
                                                           ELSE part * (ln(1 + m.vote_count::float8)
                                                                        + ln(1 + greatest(m.popularity, 0))) + bonus END
                                WHEN 'popularity' THEN m.popularity WHEN 'rating' THEN m.vote_average
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
        &keys.forms,
        keys.folded,
        &content(&keys.folded),
        series,
        number,
        without_article(&keys.folded),
        ALIKE_MAX,
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
            names: NameFields::of(&row.title, row.original_title.as_deref()),
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
