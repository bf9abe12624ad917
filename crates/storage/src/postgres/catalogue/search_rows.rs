//! The rows that PostgreSQL searches: whole names, and the words of each movie by weight.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use domain::search::{KEYS_VERSION, KeyKind, fold, title_keys, without_article};
use sqlx::{PgConnection, PgPool};

use crate::StorageError;

/// Longest key in characters. A query is at most as long, and an index entry of PostgreSQL is bounded.
const KEY_MAX_CHARS: usize = domain::search::MAX_QUERY_CHARS;

/// Movies whose rows are rewritten in one transaction.
const CHUNK: i64 = 1_000;

struct Described {
    movie_id: i64,
    title: String,
    original_title: Option<String>,
    release_date: Option<NaiveDate>,
    genres: Vec<String>,
    keywords: Vec<String>,
    tagline: Option<String>,
    overview: Option<String>,
    people: Vec<String>,
}

impl Described {
    fn keys(&self) -> BTreeMap<String, KeyKind> {
        title_keys(&self.title, self.original_title.as_deref())
            .into_iter()
            .filter(|(key, _)| key.chars().count() <= KEY_MAX_CHARS)
            .collect()
    }

    /// Words of weight A: all keys, so that initials and joined words combine with other words.
    fn names(&self, keys: &BTreeMap<String, KeyKind>) -> String {
        keys.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Words of weight B.
    fn people(&self) -> String {
        let people: Vec<String> = self.people.iter().map(|name| fold(name)).collect();
        let year = self.release_date.map(|date| date.year().to_string());
        format!("{} {}", people.join(" "), year.unwrap_or_default())
    }

    /// Words of weight C.
    fn facts(&self) -> String {
        fold(&[self.genres.join(" "), self.keywords.join(" ")].join(" "))
    }

    /// Words of weight D.
    fn plot(&self) -> String {
        fold(&[self.tagline.as_deref().unwrap_or_default(), self.overview.as_deref().unwrap_or_default()].join(" "))
    }
}

/// Rewrites the search rows of these movies where their text changed.
pub(crate) async fn refresh_search(conn: &mut PgConnection, ids: &[i64]) -> Result<(), StorageError> {
    if ids.is_empty() {
        return Ok(());
    }
    let movies = sqlx::query_as!(
        Described,
        r#"SELECT movie_id, title, original_title, release_date, genres, keywords, tagline, overview,
                  ARRAY(SELECT p ->> 'name' FROM jsonb_array_elements((credits -> 'directors') || (credits -> 'cast')) AS p)
                      AS "people!"
           FROM movies WHERE movie_id = ANY($1) AND tombstoned_at IS NULL ORDER BY movie_id"#,
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let keys: Vec<_> = movies.iter().map(Described::keys).collect();
    write_documents(conn, &movies, &keys).await?;
    write_keys(conn, &movies, &keys).await
}

async fn write_documents(
    conn: &mut PgConnection,
    movies: &[Described],
    keys: &[BTreeMap<String, KeyKind>],
) -> Result<(), StorageError> {
    let column = |text: fn(&Described) -> String| movies.iter().map(text).collect::<Vec<_>>();
    let names: Vec<String> = movies.iter().zip(keys).map(|(movie, keys)| movie.names(keys)).collect();
    sqlx::query!(
        r#"INSERT INTO movie_search AS s (movie_id, title_key, document, keys_version)
           SELECT movie_id, title_key,
                  setweight(to_tsvector('simple', names), 'A') || setweight(to_tsvector('simple', people), 'B')
               -- People ask for "sharks" where the plot has a shark.
               || setweight(to_tsvector('english', facts), 'C') || setweight(to_tsvector('english', plot), 'D'),
                  $7
           FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
               AS i(movie_id, title_key, names, people, facts, plot)
           ON CONFLICT (movie_id) DO UPDATE SET
               title_key = excluded.title_key, document = excluded.document, keys_version = excluded.keys_version
           WHERE (s.title_key, s.document, s.keys_version)
              IS DISTINCT FROM (excluded.title_key, excluded.document, excluded.keys_version)"#,
        &movies.iter().map(|movie| movie.movie_id).collect::<Vec<_>>(),
        &column(|movie| without_article(&fold(&movie.title)).to_owned()),
        &names,
        &column(Described::people),
        &column(Described::facts),
        &column(Described::plot),
        KEYS_VERSION,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_keys(
    conn: &mut PgConnection,
    movies: &[Described],
    keys: &[BTreeMap<String, KeyKind>],
) -> Result<(), StorageError> {
    let (mut movie, mut key, mut kind) = (vec![], vec![], vec![]);
    for (described, keys) in movies.iter().zip(keys) {
        for (name, by) in keys {
            movie.push(described.movie_id);
            key.push(name.clone());
            kind.push(*by as i16);
        }
    }
    let ids: Vec<i64> = movies.iter().map(|movie| movie.movie_id).collect();
    sqlx::query!(
        r#"DELETE FROM movie_search_keys k WHERE movie_id = ANY($1)
             AND NOT EXISTS (SELECT FROM unnest($2::bigint[], $3::text[]) AS i(movie_id, key)
                             WHERE i.movie_id = k.movie_id AND i.key = k.key)"#,
        &ids,
        &movie,
        &key,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"INSERT INTO movie_search_keys AS k (movie_id, key, kind)
           SELECT * FROM unnest($1::bigint[], $2::text[], $3::smallint[])
           ON CONFLICT (key, movie_id) DO UPDATE SET kind = excluded.kind WHERE k.kind <> excluded.kind"#,
        &movie,
        &key,
        &kind,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Rewrites the search rows of all movies in chunks and returns the number of movies. Ingest keeps the rows current; the
/// rebuild corrects drift.
pub async fn rebuild(pool: &PgPool, progress: impl FnMut(i64)) -> Result<i64, StorageError> {
    rewrite(pool, true, progress).await
}

/// Rewrites the search rows that another version of the program wrote; returns their number.
pub async fn upgrade(pool: &PgPool) -> Result<i64, StorageError> {
    rewrite(pool, false, |_| {}).await
}

async fn rewrite(pool: &PgPool, all: bool, mut progress: impl FnMut(i64)) -> Result<i64, StorageError> {
    let (mut after, mut done) = (0, 0);
    loop {
        let mut tx = pool.begin().await?;
        let ids = sqlx::query_scalar!(
            "SELECT m.movie_id FROM movies m
             WHERE m.movie_id > $1 AND m.tombstoned_at IS NULL
               AND ($3 OR NOT EXISTS (SELECT FROM movie_search s WHERE s.movie_id = m.movie_id AND s.keys_version = $4))
             ORDER BY m.movie_id LIMIT $2",
            after,
            CHUNK,
            all,
            KEYS_VERSION,
        )
        .fetch_all(&mut *tx)
        .await?;
        let Some(last) = ids.last() else { break };
        after = *last;
        refresh_search(&mut tx, &ids).await?;
        tx.commit().await?;
        done += ids.len() as i64;
        progress(done);
    }
    Ok(done)
}
