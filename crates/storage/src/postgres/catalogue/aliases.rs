//! Callers' own names of movies.

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::events::MovieNames;
use domain::page::Page;
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::movie_id;
use crate::StorageError;

/// An alias and the movie that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRow {
    pub alias: String,
    pub movie_id: i64,
    pub updated_at: DateTime<Utc>,
}

/// The movies of these names, IMDb ids or aliases; names that nothing has are left out. Where two movies have one IMDb
/// id, the lower number has it.
pub async fn resolve(conn: impl PgExecutor<'_>, names: &[Box<str>]) -> Result<MovieNames, StorageError> {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let rows = sqlx::query!(
        r#"SELECT alias AS "name!", movie_id AS "movie_id!" FROM movie_aliases WHERE alias = ANY($1)
           UNION ALL
           SELECT imdb_id, min(movie_id) FROM movies WHERE imdb_id = ANY($1) GROUP BY imdb_id"#,
        &names,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((row.name.into(), movie_id(row.movie_id)?))).collect()
}

/// Defines aliases; of two with one name the last counts. Returns the number of those that are new or changed.
pub async fn put(conn: &mut PgConnection, aliases: &[(Box<str>, MovieId)]) -> Result<u64, StorageError> {
    let (name, movie) = columns(aliases);
    let done = sqlx::query!(
        "INSERT INTO movie_aliases AS a (alias, movie_id)
         SELECT * FROM unnest($1::text[], $2::bigint[])
         ON CONFLICT (alias) DO UPDATE SET movie_id = excluded.movie_id, updated_at = now()
             WHERE a.movie_id <> excluded.movie_id",
        &name,
        &movie,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Defines those of the aliases that nobody has defined yet.
pub async fn put_missing(conn: &mut PgConnection, aliases: &[(Box<str>, MovieId)]) -> Result<(), StorageError> {
    let (name, movie) = columns(aliases);
    sqlx::query!(
        "INSERT INTO movie_aliases (alias, movie_id) SELECT * FROM unnest($1::text[], $2::bigint[])
         ON CONFLICT (alias) DO NOTHING",
        &name,
        &movie,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Sorted and without duplicates: two writers of the same aliases in different orders would deadlock.
fn columns(aliases: &[(Box<str>, MovieId)]) -> (Vec<String>, Vec<i64>) {
    let sorted: std::collections::BTreeMap<&str, MovieId> =
        aliases.iter().map(|(name, movie)| (name.as_ref(), *movie)).collect();
    sorted.into_iter().map(|(name, movie)| (name.to_owned(), movie.get())).unzip()
}

/// A page of the aliases by name, and the number of all.
pub async fn page(pool: &PgPool, page: Page) -> Result<(Vec<AliasRow>, i64), StorageError> {
    let rows = sqlx::query_as!(
        AliasRow,
        "SELECT alias, movie_id, updated_at FROM movie_aliases ORDER BY alias LIMIT $1 OFFSET $2",
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM movie_aliases"#).fetch_one(pool).await?;
    Ok((rows, total))
}

/// Deletes an alias; returns whether there was one. Facts that were sent under it keep their movie.
pub async fn delete(pool: &PgPool, alias: &str) -> Result<bool, StorageError> {
    let done = sqlx::query!("DELETE FROM movie_aliases WHERE alias = $1", alias).execute(pool).await?;
    Ok(done.rows_affected() > 0)
}
