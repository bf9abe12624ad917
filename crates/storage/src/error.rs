//! What can go wrong with state, and whether trying again may help.

/// A failure of one of the stores.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("PostgreSQL: {0}")]
    Database(#[from] sqlx::Error),
    #[error("migrations: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("Redis: {0}")]
    RedisPool(#[from] deadpool_redis::PoolError),
    #[error("queue: {0}")]
    Queue(String),
    /// A file of the event log.
    #[error("file: {0}")]
    File(#[from] std::io::Error),
    #[error("Meilisearch: {0}")]
    Meilisearch(#[from] meilisearch_sdk::errors::Error),
    #[error("Meilisearch: task {task} failed: {reason}")]
    MeilisearchTask { task: u32, reason: String },
    #[error("stored JSON does not fit: {0}")]
    Json(#[from] serde_json::Error),
    /// A stored value that no code of ours writes.
    #[error("stored value does not fit: {0}")]
    Corrupt(String),
}

impl StorageError {
    /// Whether the store is away or overloaded, as against wrong about something: the API answers 503, a job retries.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => database_is_transient(error),
            Self::Migration(_) | Self::Json(_) | Self::Corrupt(_) => false,
            Self::Redis(_) | Self::RedisPool(_) | Self::Queue(_) | Self::File(_) => true,
            Self::Meilisearch(error) => !matches!(error, meilisearch_sdk::errors::Error::Meilisearch(_)),
            Self::MeilisearchTask { .. } => true,
        }
    }
}

fn database_is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        // What sqlx makes of a server, or a proxy before it, that hangs up during the handshake. Taken for permanent, an
        // outage would turn events into dead letters.
        sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        // Classes 08 connection, 40 rollback (deadlock, serialisation), 53 resources, 55 lock, 57 operator (shutdown).
        sqlx::Error::Database(db) => {
            db.code().is_some_and(|code| ["08", "40", "53", "55", "57"].contains(&code.get(..2).unwrap_or("")))
        }
        _ => false,
    }
}
