//! The waiting room: facts about movies that the catalogue does not have yet. A fact that finds its movie unknown is
//! stored here in full; the speed layer applies it once the movie has arrived, whichever job brings it.
//!
//! The room is measured in units: a fact takes one per KiB begun, so the bounds also limit the table's size. The API
//! enforces the bounds; the speed layer stores every accepted fact. The overshoot is what was in the event log meanwhile.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::events::Fact;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::StorageError;
use crate::postgres::catalogue;

/// Bytes of payload per unit.
const UNIT_BYTES: usize = 1024;

/// Identifies a fact: events and reviews have ids of their own.
pub type FactKey = (String, Uuid);

/// A fact whose movie has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedFact {
    pub key: FactKey,
    /// The fact as JSON, as in the event log.
    pub payload: String,
}

/// Stores facts about unknown movies; returns the number of those that did not wait already. Call it in the transaction
/// in which the movies were not found.
pub(in crate::postgres) async fn add(conn: &mut PgConnection, mut facts: Vec<Fact>) -> Result<u64, StorageError> {
    if facts.is_empty() {
        return Ok(0);
    }
    // Two writers that insert the same facts in different orders would deadlock.
    facts.sort_by_key(|fact| (fact.id(), fact.kind()));
    facts.dedup_by_key(|fact| (fact.id(), fact.kind()));
    let payload: Vec<String> = facts.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    let kind: Vec<String> = facts.iter().map(|fact| fact.kind().to_owned()).collect();
    let id: Vec<Uuid> = facts.iter().map(Fact::id).collect();
    let movie: Vec<i64> = facts.iter().map(|fact| fact.movie_id().get()).collect();
    let units: Vec<i32> =
        payload.iter().map(|payload| i32::try_from(1 + payload.len() / UNIT_BYTES).unwrap_or(i32::MAX)).collect();
    let done = sqlx::query!(
        "INSERT INTO waiting_facts (kind, fact_id, movie_id, payload, units)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::int[])
         ON CONFLICT (fact_id, kind) DO NOTHING",
        &kind,
        &id,
        &movie,
        &payload,
        &units,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Up to `limit` facts whose movies the catalogue has by now. [`delete`] them once they are applied; a fact that is
/// applied again is a duplicate by its id.
pub async fn arrived(pool: &PgPool, limit: i64) -> Result<Vec<ArrivedFact>, StorageError> {
    // Each movie is looked up once, however many facts wait for it.
    let rows = sqlx::query!(
        "WITH waiting AS MATERIALIZED (SELECT DISTINCT movie_id FROM waiting_facts)
         SELECT f.kind, f.fact_id, f.payload FROM waiting_facts f
         WHERE f.movie_id IN (SELECT movie_id FROM waiting JOIN movies USING (movie_id) LIMIT $1)
         LIMIT $1",
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| ArrivedFact { key: (row.kind, row.fact_id), payload: row.payload }).collect())
}

/// Deletes facts that were applied.
pub async fn delete(pool: &PgPool, facts: &[FactKey]) -> Result<(), StorageError> {
    let (kind, id): (Vec<String>, Vec<Uuid>) = facts.iter().cloned().unzip();
    sqlx::query!(
        "DELETE FROM waiting_facts w USING unnest($1::text[], $2::uuid[]) AS k(kind, fact_id)
         WHERE w.kind = k.kind AND w.fact_id = k.fact_id",
        &kind,
        &id,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Deletes up to `limit` facts that were received before `before` and whose movies have not arrived; returns their
/// number.
pub async fn expire(pool: &PgPool, before: DateTime<Utc>, limit: i64) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM waiting_facts WHERE (fact_id, kind) IN
             (SELECT fact_id, kind FROM waiting_facts w
              WHERE received_at < $1 AND NOT EXISTS (SELECT FROM movies m WHERE m.movie_id = w.movie_id)
              ORDER BY received_at LIMIT $2)",
        before,
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// How full the waiting room is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// Number of waiting facts.
    pub facts: i64,
    /// Number of movies that they wait for.
    pub movies: i64,
    /// Units of all facts.
    pub units: i64,
    /// Ids of the movies for which at least the asked units wait.
    pub full: Vec<i64>,
    /// When the oldest fact was received; `None` in an empty room.
    pub oldest: Option<DateTime<Utc>>,
}

/// Reads [`Room`]; a movie is full from `per_movie` units on. Takes time in proportion to the facts, 30 ms for 100,000.
pub async fn room(pool: &PgPool, per_movie: i64) -> Result<Room, StorageError> {
    Ok(sqlx::query_as!(
        Room,
        r#"SELECT coalesce(sum(facts), 0)::bigint AS "facts!", count(*) AS "movies!",
                  coalesce(sum(units), 0)::bigint AS "units!",
                  coalesce(array_agg(movie_id) FILTER (WHERE units >= $1), '{}') AS "full!",
                  (SELECT min(received_at) FROM waiting_facts) AS oldest
           FROM (SELECT movie_id, count(*) AS facts, sum(units) AS units FROM waiting_facts GROUP BY movie_id) AS movies"#,
        per_movie,
    )
    .fetch_one(pool)
    .await?)
}

/// The subset of `ids` that the catalogue has, also as tombstones: facts about those are counted, and shown when the
/// movie comes back.
pub async fn known(pool: &PgPool, ids: &[i64]) -> Result<HashSet<i64>, StorageError> {
    catalogue::known(&mut *pool.acquire().await?, ids).await
}
