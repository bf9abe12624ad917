//! Writes movies, their people and their search rows.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::ingest::{Quarantined, Source};
use domain::movies::{Credits, Movie};
use domain::similar::CAST_FEATURES;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::IngestCounts;
use crate::StorageError;

/// A movie as one JSON object with the columns' names for `jsonb_to_recordset`, since `unnest` flattens arrays of
/// arrays.
fn row(movie: &Movie) -> Value {
    json!({
        "movie_id": movie.id, "title": movie.title, "original_title": movie.original_title, "overview": movie.overview,
        "tagline": movie.tagline, "release_date": movie.release_date, "runtime": movie.runtime, "budget": movie.budget,
        "revenue": movie.revenue, "original_language": movie.original_language, "status": movie.status,
        "imdb_id": movie.imdb_id, "poster_path": movie.poster_path, "popularity": movie.popularity,
        "vote_average": movie.vote_average, "vote_count": movie.vote_count, "genres": movie.genres,
        "keywords": movie.keywords,
    })
}

/// Inserts and updates movies; returns those that are new or whose text changed. A movie that is delivered again is no
/// longer missing. An empty keyword list means that the source has the keywords elsewhere, and leaves the stored ones.
/// Popularity and votes as of `observed_at` do not replace a newer observation; without a time, none at all.
pub(super) async fn upsert(
    conn: &mut PgConnection,
    source: Source,
    movies: &[Movie],
    observed_at: Option<DateTime<Utc>>,
    tally: &mut IngestCounts,
) -> Result<Vec<i64>, StorageError> {
    if movies.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Value::Array(movies.iter().map(row).collect());
    let written = sqlx::query!(
        r#"INSERT INTO movies AS m (movie_id, title, original_title, overview, tagline, release_date, runtime, budget,
               revenue, original_language, status, imdb_id, poster_path, popularity, vote_average, vote_count, genres,
               keywords, source, observed_at)
           SELECT i.*, $2,
                  -- least() leaves NULL out: without a time the numbers would be those of now.
                  CASE WHEN $3::timestamptz IS NOT NULL THEN least($3::timestamptz, now()) END
           FROM jsonb_to_recordset($1) AS i(movie_id bigint, title text, original_title text,
               overview text, tagline text, release_date date, runtime integer, budget bigint, revenue bigint,
               original_language text, status text, imdb_id text, poster_path text, popularity double precision,
               vote_average double precision, vote_count bigint, genres text[], keywords text[])
           ON CONFLICT (movie_id) DO UPDATE SET
               title = excluded.title, original_title = excluded.original_title, overview = excluded.overview,
               tagline = excluded.tagline, release_date = excluded.release_date, runtime = excluded.runtime,
               budget = excluded.budget, revenue = excluded.revenue, original_language = excluded.original_language,
               status = excluded.status, imdb_id = excluded.imdb_id, poster_path = excluded.poster_path,
               popularity = CASE WHEN m.observed_at > coalesce(excluded.observed_at, '-infinity')
                                 THEN m.popularity ELSE excluded.popularity END,
               vote_average = CASE WHEN m.observed_at > coalesce(excluded.observed_at, '-infinity')
                                   THEN m.vote_average ELSE excluded.vote_average END,
               vote_count = CASE WHEN m.observed_at > coalesce(excluded.observed_at, '-infinity')
                                 THEN m.vote_count ELSE excluded.vote_count END,
               observed_at = greatest(m.observed_at, excluded.observed_at), genres = excluded.genres,
               keywords = CASE WHEN excluded.keywords = '{}' THEN m.keywords ELSE excluded.keywords END,
               source = excluded.source, missing_count = 0, tombstoned_at = NULL, updated_at = now()
           -- A row that is as described already is not written: no churn, and updated_at stays true.
           WHERE (m.title, m.original_title, m.overview, m.tagline, m.release_date, m.runtime, m.budget, m.revenue,
                  m.original_language, m.status, m.imdb_id, m.poster_path, m.genres, m.source, m.missing_count)
              IS DISTINCT FROM
                 (excluded.title, excluded.original_title, excluded.overview, excluded.tagline, excluded.release_date,
                  excluded.runtime, excluded.budget, excluded.revenue, excluded.original_language, excluded.status,
                  excluded.imdb_id, excluded.poster_path, excluded.genres, excluded.source, 0::smallint)
              OR ((m.popularity, m.vote_average, m.vote_count)
                  IS DISTINCT FROM (excluded.popularity, excluded.vote_average, excluded.vote_count)
                  AND (m.observed_at > coalesce(excluded.observed_at, '-infinity')) IS NOT TRUE)
              OR (excluded.keywords <> '{}' AND m.keywords <> excluded.keywords)
              OR m.tombstoned_at IS NOT NULL
           RETURNING movie_id, (xmax = 0) AS "inserted!""#,
        rows,
        source.as_str(),
        observed_at,
    )
    .fetch_all(conn)
    .await?;
    let added = written.iter().filter(|row| row.inserted).count() as u64;
    tally.movies_added += added;
    tally.movies_changed += written.len() as u64 - added;
    tally.movies_unchanged += (movies.len() - written.len()) as u64;
    Ok(written.into_iter().map(|row| row.movie_id).collect())
}

/// Inserts movies that the catalogue does not have; leaves the others unchanged.
pub(super) async fn insert_stubs(
    conn: &mut PgConnection,
    source: Source,
    stubs: &[Movie],
    tally: &mut IngestCounts,
) -> Result<Vec<i64>, StorageError> {
    if stubs.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Value::Array(stubs.iter().map(row).collect());
    let added = sqlx::query_scalar!(
        "INSERT INTO movies (movie_id, title, release_date, genres, keywords, source)
         SELECT i.*, $2 FROM jsonb_to_recordset($1)
             AS i(movie_id bigint, title text, release_date date, genres text[], keywords text[])
         ON CONFLICT (movie_id) DO NOTHING
         RETURNING movie_id",
        rows,
        source.as_str(),
    )
    .fetch_all(conn)
    .await?;
    tally.movies_added += added.len() as u64;
    tally.movies_unchanged += (stubs.len() - added.len()) as u64;
    Ok(added)
}

/// The subset of `ids` that the catalogue has.
pub async fn known(conn: &mut PgConnection, ids: &[i64]) -> Result<HashSet<i64>, StorageError> {
    Ok(sqlx::query_scalar!("SELECT movie_id FROM movies WHERE movie_id = ANY($1)", ids)
        .fetch_all(conn)
        .await?
        .into_iter()
        .collect())
}

/// Removes the items of unknown movies from `items` and quarantines them, one row per movie.
pub(super) fn split_unknown<T>(
    items: Vec<T>,
    known: &HashSet<i64>,
    what: &str,
    id: impl Fn(&T) -> MovieId,
    bad: &mut Vec<Quarantined>,
) -> Vec<T> {
    let (items, strangers): (Vec<T>, Vec<T>) = items.into_iter().partition(|item| known.contains(&id(item).get()));
    bad.extend(strangers.iter().map(|item| {
        let id = id(item);
        Quarantined::new(format!("{what} of movie {id}"), Some("movie_id"), "unknown movie", &id.to_string())
    }));
    items
}

/// Replaces the credits of these movies; returns the movies.
pub(super) async fn write_credits(
    conn: &mut PgConnection,
    credits: Vec<(MovieId, Credits)>,
    bad: &mut Vec<Quarantined>,
) -> Result<Vec<i64>, StorageError> {
    if credits.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = credits.iter().map(|(id, _)| id.get()).collect();
    let known = known(conn, &ids).await?;
    let credits = split_unknown(credits, &known, "credits", |c| c.0, bad);

    // Columns of the two inserts, one element per credit.
    let (mut movie, mut role, mut position, mut character) = (vec![], vec![], vec![], vec![]);
    let (mut person, mut name) = (vec![], vec![]);
    let mut pages = Vec::new();
    for (id, credits) in &credits {
        let directors = credits.directors.iter().map(|p| ("director", p, None));
        let cast = credits.cast.iter().map(|c| ("cast", &c.person, c.character.clone()));
        let mut next = [0; 2];
        for (kind, p, part) in directors.chain(cast) {
            // Positions are numbered here: sources repeat and skip positions, but the key must be unique.
            let slot = &mut next[usize::from(kind == "cast")];
            movie.push(id.get());
            role.push(kind.to_owned());
            position.push(*slot);
            person.push(p.id.get());
            character.push(part);
            name.push(p.name.clone());
            *slot += 1;
        }
        pages.push(page(credits));
    }
    sqlx::query!(
        "INSERT INTO people (person_id, name)
         SELECT DISTINCT ON (person_id) person_id, name FROM unnest($1::bigint[], $2::text[]) AS p(person_id, name)
         ORDER BY person_id
         ON CONFLICT (person_id) DO UPDATE SET name = excluded.name WHERE people.name <> excluded.name",
        &person,
        &name,
    )
    .execute(&mut *conn)
    .await?;
    let ids: Vec<i64> = credits.iter().map(|(id, _)| id.get()).collect();
    sqlx::query!("DELETE FROM movie_credits WHERE movie_id = ANY($1)", &ids).execute(&mut *conn).await?;
    sqlx::query!(
        "INSERT INTO movie_credits (movie_id, role, position, person_id, character)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::bigint[], $5::text[])",
        &movie,
        &role,
        &position,
        &person,
        &character as &[Option<String>],
    )
    .execute(&mut *conn)
    .await?;
    Ok(sqlx::query_scalar!(
        "UPDATE movies SET credits = i.credits
         FROM unnest($1::bigint[], $2::jsonb[]) AS i(movie_id, credits)
         WHERE movies.movie_id = i.movie_id AND movies.credits <> i.credits
         RETURNING movies.movie_id",
        &ids,
        &pages,
    )
    .fetch_all(conn)
    .await?)
}

/// The credits as JSON for the movie's page.
fn page(credits: &Credits) -> Value {
    json!({
        "directors": credits.directors.iter().map(|p| json!({"person_id": p.id, "name": p.name})).collect::<Vec<_>>(),
        "cast": credits.cast.iter().take(CAST_FEATURES)
            .map(|c| json!({"person_id": c.person.id, "name": c.person.name, "character": c.character}))
            .collect::<Vec<_>>(),
    })
}

/// Sets the keywords of these movies; returns the movies whose keywords changed.
pub(super) async fn write_keywords(
    conn: &mut PgConnection,
    keywords: Vec<(MovieId, Vec<String>)>,
    bad: &mut Vec<Quarantined>,
) -> Result<Vec<i64>, StorageError> {
    if keywords.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = keywords.iter().map(|(id, _)| id.get()).collect();
    let known = known(conn, &ids).await?;
    let keywords = split_unknown(keywords, &known, "keywords", |k| k.0, bad);
    let rows: Value = keywords.iter().map(|(id, words)| json!({"movie_id": id, "keywords": words})).collect();
    Ok(sqlx::query_scalar!(
        "UPDATE movies SET keywords = i.keywords, updated_at = now()
         FROM jsonb_to_recordset($1) AS i(movie_id bigint, keywords text[])
         WHERE movies.movie_id = i.movie_id AND movies.keywords <> i.keywords
         RETURNING movies.movie_id",
        rows,
    )
    .fetch_all(conn)
    .await?)
}
