//! The database's clock. The hosts of several workers may disagree; with one clock, which of two observations is the
//! later does not depend on who made it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::StorageError;

/// The time now, by the database's clock.
pub(super) async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(conn).await?)
}
