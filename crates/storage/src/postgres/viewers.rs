//! Viewers: names and dense ids.

use sqlx::PgConnection;

use crate::StorageError;

/// Gives every rater of the sources a row, so that ratings have a viewer. The demo world's raters are named by their
/// number, which is what its simulated viewers are called; others by source and number. Returns the number of rows
/// written.
pub async fn adopt_raters(conn: &mut PgConnection) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "INSERT INTO viewers AS v (name, source, source_user_id)
         SELECT CASE source WHEN 'demo' THEN user_id::text ELSE source || ':' || user_id END, source, user_id
         FROM (SELECT DISTINCT source, user_id FROM ratings) AS raters
         WHERE NOT EXISTS (SELECT 1 FROM viewers AS known
                           WHERE known.source = raters.source AND known.source_user_id = raters.user_id)
         ORDER BY 1
         ON CONFLICT (name) DO UPDATE SET source = excluded.source, source_user_id = excluded.source_user_id
             WHERE v.source IS NULL",
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
