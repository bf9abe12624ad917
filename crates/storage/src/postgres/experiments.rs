//! Experiments with recommendations, and what the viewers of each variant did.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::experiments::{Design, Feedback, Variant};
use domain::page::Page;
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use crate::StorageError;

/// An experiment. At most one runs at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    pub name: String,
    /// Makes the assignment of viewers independent of other experiments'.
    pub salt: String,
    /// The control first.
    pub variants: Vec<Variant>,
    pub test: Design,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// Why an experiment was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStarted {
    /// Another one runs.
    AnotherRuns,
    /// The name was used, for an experiment that is defined differently or has ended.
    NameUsed,
}

/// Starts an experiment. Starting it again with the same definition changes nothing.
pub async fn start(
    pool: &PgPool,
    name: &str,
    variants: &[Variant],
    test: &Design,
) -> Result<Result<Experiment, NotStarted>, StorageError> {
    // Any conflict is resolved by reading: the name's row tells which it was.
    sqlx::query!(
        "INSERT INTO experiments (name, salt, variants, test) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        name,
        Uuid::new_v4().to_string(),
        Json(variants) as _,
        Json(test) as _,
    )
    .execute(pool)
    .await?;
    Ok(match find(pool, name).await? {
        None => Err(NotStarted::AnotherRuns),
        Some(found) if found.ended_at.is_none() && found.variants == variants && found.test == *test => Ok(found),
        Some(_) => Err(NotStarted::NameUsed),
    })
}

/// Ends an experiment; `None` if there is none of this name. Ending it again keeps the first end.
pub async fn end(pool: &PgPool, name: &str) -> Result<Option<Experiment>, StorageError> {
    sqlx::query!("UPDATE experiments SET ended_at = now() WHERE name = $1 AND ended_at IS NULL", name)
        .execute(pool)
        .await?;
    find(pool, name).await
}

/// The experiment of this name.
pub async fn find(pool: &PgPool, name: &str) -> Result<Option<Experiment>, StorageError> {
    one(pool, Some(name)).await
}

/// The experiment that runs now.
pub async fn running(pool: &PgPool) -> Result<Option<Experiment>, StorageError> {
    one(pool, None).await
}

/// The experiment of this name; without a name the one that runs.
async fn one(pool: &PgPool, name: Option<&str>) -> Result<Option<Experiment>, StorageError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT name, salt, variants AS "variants: Json<Vec<Variant>>", test AS "test: Json<Design>", started_at, ended_at
           FROM experiments WHERE CASE WHEN $1::text IS NULL THEN ended_at IS NULL ELSE name = $1 END"#,
        name,
    );
    Ok(row.fetch_optional(pool).await?.map(Experiment::from))
}

/// One page of all experiments, the newest first, and their number.
pub async fn page(pool: &PgPool, page: Page) -> Result<(Vec<Experiment>, i64), StorageError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT name, salt, variants AS "variants: Json<Vec<Variant>>", test AS "test: Json<Design>", started_at, ended_at
           FROM experiments ORDER BY started_at DESC, name LIMIT $1 OFFSET $2"#,
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM experiments"#).fetch_one(pool).await?;
    Ok((rows.into_iter().map(Experiment::from).collect(), total))
}

/// What the viewers of each variant did, by the variant's name. The viewer is the unit, so viewers without a name are
/// not counted; nor are places that no event tells of.
pub async fn feedback(pool: &PgPool, experiment: &str) -> Result<HashMap<String, Feedback>, StorageError> {
    let rows = sqlx::query!(
        r#"WITH told AS (
               SELECT s.variant, s.viewer_id, s.list_id, e.movie_id, bool_or(e.event_type = 'click') AS clicked
               FROM served_lists AS s
               JOIN viewer_events AS e ON e.list_id = s.list_id AND e.viewer_id = s.viewer_id
                                          AND e.movie_id = ANY (s.movies)
               WHERE s.experiment = $1 AND s.variant IS NOT NULL
               GROUP BY 1, 2, 3, 4),
           viewers AS (
               SELECT variant, viewer_id, count(*)::double precision AS shown,
                      (count(*) FILTER (WHERE clicked))::double precision AS clicked
               FROM told GROUP BY 1, 2)
           SELECT variant AS "variant!", count(*) AS "viewers!", sum(shown) AS "impressions!", sum(clicked) AS "clicks!",
                  sum(shown * shown) AS "impressions_squared!", sum(clicked * clicked) AS "clicks_squared!",
                  sum(shown * clicked) AS "product!"
           FROM viewers GROUP BY 1"#,
        experiment,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let feedback = Feedback {
                viewers: row.viewers,
                impressions: row.impressions,
                clicks: row.clicks,
                impressions_squared: row.impressions_squared,
                clicks_squared: row.clicks_squared,
                product: row.product,
            };
            (row.variant, feedback)
        })
        .collect())
}

struct Row {
    name: String,
    salt: String,
    variants: Json<Vec<Variant>>,
    test: Json<Design>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<Row> for Experiment {
    fn from(Row { name, salt, variants, test, started_at, ended_at }: Row) -> Self {
        Self { name, salt, variants: variants.0, test: test.0, started_at, ended_at }
    }
}
