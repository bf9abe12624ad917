//! Viewers: their names, and the dense ids that tables and computations use.
//!
//! Sources number the viewers whose ratings they bring. Such a rater is named `<source>:<number>`, and by the number
//! alone where the source is the demo world, so that its raters and the simulated viewers of the API are the same people.

mod export;
mod forget;

use std::collections::{BTreeSet, HashMap};

use domain::ViewerId;
use domain::ingest::Source;
use domain::viewers::ViewerName;
use sqlx::{PgConnection, PgPool};

use crate::StorageError;

pub use export::{
    ExportedEvent, ExportedHidden, ExportedRating, ExportedReview, events_page, hidden_page, ratings_page, reviews_page,
};
pub use forget::{Forgotten, forget};

/// The viewer of a source: the source's name, and its number there. `None` for a name that no source's viewer has.
fn rater(name: &ViewerName) -> Option<(&str, i64)> {
    let (source, number) = name.as_str().split_once(':').unwrap_or((Source::Demo.as_str(), name.as_str()));
    // Only digits, and none before them: `7` and `007` are two viewers.
    let canonical = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    let source = Source::named(source)?;
    let is_short = !name.as_str().contains(':');
    if !canonical || is_short != (source == Source::Demo) {
        return None;
    }
    Some((source.as_str(), number.parse().ok()?))
}

/// The viewer of this name; `None` where nothing is known of such a viewer. A source's viewer of whom nobody has asked
/// before is created here.
pub async fn find(pool: &PgPool, name: &ViewerName) -> Result<Option<ViewerId>, StorageError> {
    let found = sqlx::query_scalar!("SELECT viewer_id FROM viewers WHERE name = $1", name.as_str())
        .fetch_optional(pool)
        .await?;
    match found {
        Some(id) => viewer_id(id).map(Some),
        None => adopt_rater(pool, name).await,
    }
}

/// Creates the source's viewer of this name, who has no row yet; `None` where no source has ratings of one.
pub async fn adopt_rater(pool: &PgPool, name: &ViewerName) -> Result<Option<ViewerId>, StorageError> {
    let Some((source, number)) = rater(name) else { return Ok(None) };
    let rates = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM ratings WHERE source = $1 AND user_id = $2) AS "rates!""#,
        source,
        number,
    )
    .fetch_one(pool)
    .await?;
    if !rates {
        return Ok(None);
    }
    let mut tx = pool.begin().await?;
    let id = resolve(&mut tx, &[name]).await?.remove(name);
    tx.commit().await?;
    Ok(id)
}

/// The ids of these viewers, in one statement; those who are not known yet are created. Duplicates are allowed. Until
/// the caller's transaction ends, none of them can be forgotten.
pub async fn resolve(
    conn: &mut PgConnection,
    names: &[&ViewerName],
) -> Result<HashMap<ViewerName, ViewerId>, StorageError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let names: BTreeSet<&ViewerName> = names.iter().copied().collect();
    let name: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
    let (source, number): (Vec<Option<&str>>, Vec<Option<i64>>) = names.iter().map(|name| rater(name).unzip()).unzip();
    // A statement of its own: the next one must see what a transaction has forgotten for which this one waits.
    sqlx::query!("SELECT pg_advisory_xact_lock_shared(hashtext('viewers'))").execute(&mut *conn).await?;
    let rows = sqlx::query!(
        r#"WITH asked AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS a(name, source, number)),
           known AS (SELECT viewer_id, name FROM viewers JOIN asked USING (name)),
           -- In the order of names: two transactions that create the same viewers in different orders would deadlock.
           new AS (
               INSERT INTO viewers (name, source, source_user_id)
               SELECT name, source, number FROM asked WHERE name NOT IN (SELECT name FROM known)
               ORDER BY name COLLATE "C"
               -- Another transaction has created the viewer meanwhile; without an update its id would not be returned.
               ON CONFLICT (name) DO UPDATE SET name = excluded.name
               RETURNING viewer_id, name)
           SELECT viewer_id AS "viewer_id!", name AS "name!" FROM known
           UNION ALL SELECT viewer_id, name FROM new"#,
        &name,
        &source as &[Option<&str>],
        &number as &[Option<i64>],
    )
    .fetch_all(conn)
    .await?;
    let ids: HashMap<String, i64> = rows.into_iter().map(|row| (row.name, row.viewer_id)).collect();
    let id = |name: &&ViewerName| {
        let raw = ids.get(name.as_str()).copied();
        raw.ok_or_else(|| StorageError::Corrupt("a viewer has no id".to_owned())).and_then(viewer_id)
    };
    names.into_iter().map(|name| Ok((name.clone(), id(&name)?))).collect()
}

/// Creates the viewers of sources who do not exist yet; returns their number. Reads every rating's viewer, about a
/// second for each ten million.
pub async fn adopt_raters(conn: &mut PgConnection) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        r#"INSERT INTO viewers (name, source, source_user_id)
           SELECT name, source, user_id
           FROM (SELECT DISTINCT source, user_id FROM ratings) AS raters,
                LATERAL (SELECT CASE source WHEN $1 THEN user_id::text ELSE source || ':' || user_id END AS name) AS named
           WHERE NOT EXISTS (SELECT FROM viewers v WHERE v.source = raters.source AND v.source_user_id = user_id)
           ORDER BY name COLLATE "C"
           ON CONFLICT DO NOTHING"#,
        Source::Demo.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Marks the profiles of these viewers as older than their facts. Call it in the transaction that stores the facts.
pub async fn mark_stale(conn: &mut PgConnection, viewers: &BTreeSet<ViewerId>) -> Result<(), StorageError> {
    if viewers.is_empty() {
        return Ok(());
    }
    // Sorted: two transactions that mark the same viewers in different orders would deadlock.
    let ids: Vec<i64> = viewers.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "INSERT INTO stale_profiles AS s (viewer_id) SELECT id FROM unnest($1::bigint[]) AS id ORDER BY id
         ON CONFLICT (viewer_id) DO UPDATE SET version = s.version + 1",
        &ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Converts a stored id.
pub(super) fn viewer_id(raw: i64) -> Result<ViewerId, StorageError> {
    ViewerId::new(raw).map_err(|_| StorageError::Corrupt(format!("viewer_id {raw}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raters_of_sources_have_names() {
        let name = |text: &str| text.parse::<ViewerName>().unwrap();
        assert_eq!(rater(&name("7")), Some(("demo", 7)));
        assert_eq!(rater(&name("movielens:31")), Some(("movielens", 31)));
        for other in
            ["user_123", "007", "0", "demo:7", "movielens:", "movielens:x", "netflix:7", "99999999999999999999"]
        {
            assert_eq!(rater(&name(other)), None, "{other}");
        }
    }
}
