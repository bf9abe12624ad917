//! Profiles of viewers, and the queue of those that have to be computed again.

use chrono::{DateTime, Utc};
use domain::ViewerId;
use sqlx::{PgConnection, PgPool};

use super::viewer::viewer_id;
use crate::StorageError;
use crate::postgres::changes;

/// A viewer whose profile is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    pub viewer_id: ViewerId,
    /// When the first fact came that the profile lacks.
    pub since: DateTime<Utc>,
    version: i64,
}

/// A computed profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub viewer_id: ViewerId,
    pub vector: Vec<f32>,
    /// Number of movies that were folded in.
    pub interactions: i32,
    /// Time of the newest fact that was folded in.
    pub newest_at: DateTime<Utc>,
}

/// Takes up to `limit` stale viewers, oldest first, for the rest of the transaction; other workers skip them.
pub async fn claim(conn: &mut PgConnection, limit: i64) -> Result<Vec<Stale>, StorageError> {
    let rows = sqlx::query!(
        "SELECT viewer_id, since, version FROM stale_profiles ORDER BY since LIMIT $1 FOR UPDATE SKIP LOCKED",
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Stale { viewer_id: viewer_id(row.viewer_id)?, since: row.since, version: row.version }))
        .collect()
}

/// Writes the profiles of claimed viewers in the space of the model `version`, takes the viewers off the queue unless a
/// fact has come meanwhile, and tells every API process. A viewer without a profile here loses an old one.
pub async fn finish(
    conn: &mut PgConnection,
    version: &str,
    claimed: &[Stale],
    profiles: &[Profile],
) -> Result<(), StorageError> {
    let viewers: Vec<i64> = profiles.iter().map(|profile| profile.viewer_id.get()).collect();
    let interactions: Vec<i32> = profiles.iter().map(|profile| profile.interactions).collect();
    let newest: Vec<DateTime<Utc>> = profiles.iter().map(|profile| profile.newest_at).collect();
    // `unnest` flattens arrays of arrays, so the vectors come as one and are cut by their length.
    let vectors: Vec<f32> = profiles.iter().flat_map(|profile| profile.vector.iter().copied()).collect();
    let factors = i32::try_from(profiles.first().map_or(0, |profile| profile.vector.len())).unwrap_or(i32::MAX);
    sqlx::query!(
        "INSERT INTO viewer_profiles AS p (viewer_id, version, vector, interactions, newest_at)
         SELECT i.viewer_id, $1, ($5::real[])[(i.place - 1) * $6::int + 1 : i.place * $6::int], i.interactions, i.newest_at
         FROM unnest($2::bigint[], $3::int[], $4::timestamptz[])
              WITH ORDINALITY AS i(viewer_id, interactions, newest_at, place)
         -- One that is forgotten meanwhile does not come back.
         JOIN viewers v ON v.viewer_id = i.viewer_id
         ON CONFLICT (viewer_id) DO UPDATE SET version = excluded.version, vector = excluded.vector,
             interactions = excluded.interactions, newest_at = excluded.newest_at, updated_at = now()",
        version,
        &viewers,
        &interactions,
        &newest,
        &vectors,
        factors,
    )
    .execute(&mut *conn)
    .await?;
    let ids: Vec<i64> = claimed.iter().map(|stale| stale.viewer_id.get()).collect();
    let versions: Vec<i64> = claimed.iter().map(|stale| stale.version).collect();
    sqlx::query!("DELETE FROM viewer_profiles WHERE viewer_id = ANY($1) AND NOT viewer_id = ANY($2)", &ids, &viewers)
        .execute(&mut *conn)
        .await?;
    done(conn, &ids, &versions).await?;
    changes::touch_viewers(conn, &claimed.iter().map(|stale| stale.viewer_id).collect::<Vec<_>>()).await
}

/// Takes claimed viewers off the queue without a profile: no model is active, so that there is no space to fold into.
pub async fn skip(conn: &mut PgConnection, claimed: &[Stale]) -> Result<(), StorageError> {
    let ids: Vec<i64> = claimed.iter().map(|stale| stale.viewer_id.get()).collect();
    let versions: Vec<i64> = claimed.iter().map(|stale| stale.version).collect();
    done(conn, &ids, &versions).await?;
    changes::touch_viewers(conn, &claimed.iter().map(|stale| stale.viewer_id).collect::<Vec<_>>()).await
}

async fn done(conn: &mut PgConnection, viewers: &[i64], versions: &[i64]) -> Result<(), StorageError> {
    sqlx::query!(
        "DELETE FROM stale_profiles s USING unnest($1::bigint[], $2::bigint[]) AS c(viewer_id, version)
         WHERE s.viewer_id = c.viewer_id AND s.version = c.version",
        viewers,
        versions,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Number of stale viewers.
pub async fn waiting(pool: &PgPool) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM stale_profiles"#).fetch_one(pool).await?)
}
