//! The artifact actor_collaboration: pairs of people who appeared together.

use domain::actor_collaboration::{LEADING_CAST, Pair, Together};
use domain::page::Page;
use domain::{PersonId, RunId};
use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::{PgExecutor, PgPool};

use crate::StorageError;

/// A movie's leading cast and its rating.
#[derive(Debug, Clone, PartialEq)]
pub struct CastRow {
    /// People in billing order.
    pub cast: Vec<PersonId>,
    /// Mean of the votes, 0 to 10; 0 without votes.
    pub vote_average: f64,
    /// Number of votes.
    pub vote_count: i64,
}

/// Streams the leading cast of every movie that is not a tombstone, in movie order.
pub fn casts(pool: &PgPool) -> BoxStream<'_, Result<CastRow, StorageError>> {
    sqlx::query!(
        r#"SELECT m.vote_average, m.vote_count,
                  ARRAY(SELECT c.person_id FROM movie_credits c WHERE c.movie_id = m.movie_id AND c.role = 'cast'
                        -- Twice the number needed, as somebody may play two parts.
                        ORDER BY c.position LIMIT 2 * $1) AS "cast!"
           FROM movies m WHERE m.tombstoned_at IS NULL ORDER BY m.movie_id"#,
        LEADING_CAST as i64,
    )
    .fetch(pool)
    .map(|row| {
        let row = row?;
        let person = |raw| PersonId::new(raw).map_err(|_| StorageError::Corrupt(format!("person_id {raw}")));
        Ok(CastRow {
            cast: row.cast.into_iter().map(person).collect::<Result<_, _>>()?,
            vote_average: row.vote_average,
            vote_count: row.vote_count,
        })
    })
    .boxed()
}

/// Adds a chunk's sums to the rows of the run. Each pair must occur at most once per call, and pairs must be sorted.
pub async fn add(conn: impl PgExecutor<'_>, run: RunId, pairs: &[(Pair, Together)]) -> Result<(), StorageError> {
    let a: Vec<i64> = pairs.iter().map(|(pair, _)| pair.a.get()).collect();
    let b: Vec<i64> = pairs.iter().map(|(pair, _)| pair.b.get()).collect();
    let movies: Vec<i64> = pairs.iter().map(|(_, together)| together.movies).collect();
    let rated: Vec<i64> = pairs.iter().map(|(_, together)| together.rated).collect();
    let rating: Vec<f64> = pairs.iter().map(|(_, together)| together.rating_sum).collect();
    sqlx::query!(
        "INSERT INTO actor_collaboration AS c (run_id, person_a, person_b, films, rated, rating_sum)
         SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[])
         ON CONFLICT (run_id, person_a, person_b) DO UPDATE
             SET films = c.films + excluded.films, rated = c.rated + excluded.rated,
                 rating_sum = c.rating_sum + excluded.rating_sum",
        run.0,
        &a,
        &b,
        &movies,
        &rated,
        &rating,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Number of pairs of a run.
pub async fn count(pool: &PgPool, run: RunId) -> Result<u64, StorageError> {
    let n = sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM actor_collaboration WHERE run_id = $1"#, run.0)
        .fetch_one(pool)
        .await?;
    Ok(n.unsigned_abs())
}

/// A collaborator of a person.
#[derive(Debug, Clone, PartialEq)]
pub struct CollaboratorRow {
    /// The collaborator.
    pub person_id: i64,
    /// The collaborator's name.
    pub name: String,
    /// Movies with both people in the leading cast.
    pub movies: i64,
    /// How many of these movies have votes.
    pub rated: i64,
    /// Mean vote average of the movies with votes, 0 to 10; `None` without any.
    pub avg_rating: Option<f64>,
}

/// A page of a person's collaborators, and their total number. Order: most movies first, then highest mean rating.
pub async fn of_person(
    pool: &PgPool,
    run: RunId,
    person: PersonId,
    page: Page,
) -> Result<(Vec<CollaboratorRow>, i64), StorageError> {
    let rows = sqlx::query_as!(
        CollaboratorRow,
        r#"SELECT other AS "person_id!", p.name, films AS "movies!", rated AS "rated!", rating_sum / nullif(rated, 0) AS avg_rating
           FROM (SELECT person_b AS other, films, rated, rating_sum FROM actor_collaboration
                 WHERE run_id = $1 AND person_a = $2
                 UNION ALL
                 SELECT person_a, films, rated, rating_sum FROM actor_collaboration
                 WHERE run_id = $1 AND person_b = $2) AS pair
                JOIN people p ON p.person_id = other
           ORDER BY films DESC, rating_sum / nullif(rated, 0) DESC NULLS LAST, other LIMIT $3 OFFSET $4"#,
        run.0,
        person.get(),
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM actor_collaboration WHERE run_id = $1 AND person_a = $2)
                + (SELECT count(*) FROM actor_collaboration WHERE run_id = $1 AND person_b = $2) AS "n!""#,
        run.0,
        person.get(),
    )
    .fetch_one(pool)
    .await?;
    Ok((rows, total))
}

/// A person's name; `None` where no person has that id.
pub async fn name(pool: &PgPool, person: PersonId) -> Result<Option<String>, StorageError> {
    Ok(sqlx::query_scalar!("SELECT name FROM people WHERE person_id = $1", person.get()).fetch_optional(pool).await?)
}
