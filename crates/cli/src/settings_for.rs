//! Loads the part of the settings that a command needs.

use settings::{DatabaseSettings, load_or_exit};
use sqlx::PgPool;
use storage::StorageError;

/// Connects to the database that `DATABASE_URL` names.
pub(crate) async fn database() -> Result<PgPool, StorageError> {
    let settings = load_or_exit(DatabaseSettings::load);
    storage::postgres::connect(settings.expose_url(), settings.pool_size, settings.acquire_timeout, false).await
}
