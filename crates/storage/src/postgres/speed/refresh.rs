//! The cursor of the hourly refresh of popular movies.

use domain::JobId;
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use crate::StorageError;

/// Number of pages that this job has committed, after which it resumes when its worker died. Another job begins at the
/// first page, since the list has changed.
pub async fn refreshed(pool: &PgPool, job: JobId) -> Result<u32, StorageError> {
    let pages = sqlx::query_scalar!(
        r#"SELECT (cursor ->> 'pages')::bigint AS "pages!" FROM source_cursors
           WHERE source = 'popular' AND cursor ->> 'job_id' = $1"#,
        job.to_string(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(pages.and_then(|pages| u32::try_from(pages).ok()).unwrap_or(0))
}

/// Stores the number of committed pages, see [`refreshed`]; call it in the transaction that writes the page.
pub async fn save_refreshed(conn: &mut PgConnection, job: JobId, pages: u32) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO source_cursors (source, cursor) VALUES ('popular', $1)
         ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor, updated_at = now()",
        json!({ "job_id": job, "pages": pages }),
    )
    .execute(conn)
    .await?;
    Ok(())
}
