//! Served lists: what was recommended to whom, and what viewers did with it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use crate::StorageError;

/// A list that was served.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServedList {
    pub list_id: Uuid,
    /// `None`: a viewer without a name, or one without facts.
    pub viewer_id: Option<i64>,
    pub served_at: DateTime<Utc>,
    /// What the list was made of: `hybrid`, `realtime`, `batch` or `popular`.
    pub source: &'static str,
    /// The model's version.
    pub version: Option<String>,
    pub experiment: Option<String>,
    pub variant: Option<String>,
    /// Places filled by exploration, from 0.
    pub explored: Vec<i16>,
    /// The movies by place.
    pub movies: Vec<i64>,
}

/// Stores lists, all in one statement. A list that is stored already stays; of a viewer who was forgotten meanwhile the
/// list is stored without the viewer.
pub async fn store(pool: &PgPool, lists: &[ServedList]) -> Result<(), StorageError> {
    if lists.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO served_lists (list_id, viewer_id, served_at, source, version, experiment, variant, explored, movies)
         SELECT l.list_id, v.viewer_id, l.served_at, l.source, l.version, l.experiment, l.variant, l.explored, l.movies
         FROM jsonb_to_recordset($1) AS l(list_id uuid, viewer_id bigint, served_at timestamptz, source text,
             version text, experiment text, variant text, explored smallint[], movies bigint[])
         LEFT JOIN viewers AS v ON v.viewer_id = l.viewer_id
         ON CONFLICT (list_id) DO NOTHING",
        Json(lists) as _,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Deletes lists served before `before`, at most `max`; returns their number.
pub async fn expire(pool: &PgPool, before: DateTime<Utc>, max: i64) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM served_lists WHERE list_id IN
             (SELECT list_id FROM served_lists WHERE served_at < $1 ORDER BY served_at LIMIT $2)",
        before,
        max,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// By what feedback is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    Source,
    ModelVersion,
    Variant,
    Position,
    Exploration,
}

impl GroupBy {
    /// The name in requests and in the statement below.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::ModelVersion => "model_version",
            Self::Variant => "variant",
            Self::Position => "position",
            Self::Exploration => "exploration",
        }
    }
}

/// What viewers did with the places of served lists that share a property.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFeedback {
    /// The property's value; `none` where a list has none.
    pub group: String,
    /// Lists served.
    pub lists: i64,
    /// Their places, all together.
    pub places: i64,
    /// Places with at least one event that names the list: what was seen for sure.
    pub impressions: i64,
    /// Places that were clicked.
    pub clicks: i64,
    /// Movies rated with the list's id.
    pub ratings: i64,
    /// Mean of those ratings, 0.5 to 10.
    pub rating_mean: Option<f64>,
    /// Mean of those ratings less what their viewers gave to movies that no list showed.
    pub rating_uplift: Option<f64>,
}

/// Reads what viewers did with the lists served since `from`. Only events of the viewer count to whom the list was served.
pub async fn feedback(pool: &PgPool, from: DateTime<Utc>, by: GroupBy) -> Result<Vec<GroupFeedback>, StorageError> {
    Ok(sqlx::query_as!(
        GroupFeedback,
        r#"WITH places AS (
               SELECT s.list_id, s.viewer_id, m.movie_id,
                      CASE $2 WHEN 'source' THEN s.source
                              WHEN 'model_version' THEN coalesce(s.version, 'none')
                              WHEN 'variant' THEN coalesce(s.experiment || '/' || s.variant, 'none')
                              WHEN 'exploration' THEN
                                  CASE WHEN m.place - 1 = ANY (s.explored) THEN 'explored' ELSE 'ranked' END
                              ELSE to_char(m.place, 'FM000') END AS "group"
               FROM served_lists AS s, unnest(s.movies) WITH ORDINALITY AS m(movie_id, place)
               WHERE s.served_at >= $1),
           told AS (
               SELECT list_id, viewer_id, movie_id, bool_or(event_type = 'click') AS clicked,
                      avg(rating)::double precision AS rating
               FROM viewer_events WHERE list_id IS NOT NULL AND occurred_at >= $1 GROUP BY 1, 2, 3),
           usual AS (
               SELECT e.viewer_id, avg(e.rating)::double precision AS rating
               FROM viewer_events AS e
               WHERE e.list_id IS NULL AND e.rating IS NOT NULL
                     AND e.viewer_id IN (SELECT viewer_id FROM told WHERE told.rating IS NOT NULL)
               GROUP BY 1)
           SELECT p."group" AS "group!", count(DISTINCT p.list_id) AS "lists!", count(*) AS "places!",
                  count(t.list_id) AS "impressions!", count(*) FILTER (WHERE t.clicked) AS "clicks!",
                  count(t.rating) AS "ratings!", avg(t.rating) AS rating_mean, avg(t.rating - u.rating) AS rating_uplift
           FROM places AS p
           LEFT JOIN told AS t ON t.list_id = p.list_id AND t.movie_id = p.movie_id
                                  AND t.viewer_id IS NOT DISTINCT FROM p.viewer_id
           LEFT JOIN usual AS u ON u.viewer_id = t.viewer_id
           GROUP BY 1 ORDER BY 1"#,
        from,
        by.as_str(),
    )
    .fetch_all(pool)
    .await?)
}
