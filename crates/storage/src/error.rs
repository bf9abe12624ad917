//! Errors of the stores, and whether a retry may help.

use std::fmt;
use std::time::Duration;

use meilisearch_sdk::errors::{Error as SdkError, ErrorType, MeilisearchError};
use redis::RedisError;
use sqlx::migrate::MigrateError;

/// A server that holds state, as errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// `DATABASE_URL`.
    Postgres,
    /// `REDIS_URL`: the queue, and the event log where it has no URL of its own.
    Redis,
    /// `EVENT_LOG_URL`.
    EventLog,
    /// `CACHE_REDIS_URL`: the response cache.
    CacheRedis,
    /// `MEILI_URL`: the search index.
    Meilisearch,
    /// `OBJECT_STORE_URL`: files of models.
    Objects,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::EventLog => "the event log",
            Self::CacheRedis => "the cache's Redis",
            Self::Meilisearch => "Meilisearch",
            Self::Objects => "the object store",
        })
    }
}

/// A failure of one of the stores. No message contains a password: URLs are never repeated.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// PostgreSQL or its driver failed.
    #[error("PostgreSQL: {0}")]
    Database(#[from] sqlx::Error),
    /// The migrations could not be applied.
    #[error("migrations: {0}")]
    Migration(#[from] MigrateError),
    /// Redis or its driver failed.
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    /// The job transport (apalis) itself failed; a failure of its Redis is [`StorageError::Redis`].
    #[error("queue: {0}")]
    Queue(String),
    /// An I/O error of the file event log or of the object store's directory.
    #[error("file: {0}")]
    File(#[from] std::io::Error),
    /// The object store or its driver failed.
    #[error("object store: {0}")]
    Objects(#[from] object_store::Error),
    /// Meilisearch or its SDK failed.
    #[error("Meilisearch: {0}")]
    Meilisearch(#[from] SdkError),
    /// Meilisearch accepted a task and failed to execute it.
    #[error("Meilisearch: task {task} failed: {error}")]
    MeilisearchTask {
        /// The task's number on the server, for a search in the server's log.
        task: u32,
        /// Meilisearch's error.
        error: Box<MeilisearchError>,
    },
    /// A new search index does not hold what was added to it, so it does not go live.
    #[error(
        "the new search index holds {found} documents of {added}, settings complete: {settings}; it was not swapped in"
    )]
    IndexIncomplete {
        /// Number of documents that were added.
        added: usize,
        /// Number of documents that the server counts.
        found: usize,
        /// Whether it has the settings that searches rely on.
        settings: bool,
    },
    /// No answer within the time limit. The store may still execute the request.
    #[error("{store} did not answer within {after:?}")]
    TimedOut {
        /// The store that did not answer.
        store: Store,
        /// The time limit.
        after: Duration,
    },
    /// A listening connection was lost, so notifications may have been missed.
    #[error("the connection to {store} was lost")]
    Disconnected {
        /// The server at the other end.
        store: Store,
    },
    /// The caller's lease was given to somebody else or has expired; nothing was written.
    #[error("{0} is lost")]
    LeaseLost(String),
    /// A URL or key that cannot be used; nothing was sent.
    #[error("the settings of {store} cannot be used: {reason}")]
    Configuration {
        /// The store that the setting belongs to.
        store: Store,
        /// What is wrong with the setting, without its value.
        reason: String,
    },
    /// Stored JSON of an unexpected shape.
    #[error("stored JSON does not fit: {0}")]
    Json(#[from] serde_json::Error),
    /// A stored value that no release of this program writes.
    #[error("stored value does not fit: {0}")]
    Corrupt(String),
    /// A row that this call has read or written is gone: somebody deleted it meanwhile.
    #[error("{0} is gone")]
    Vanished(String),
    /// The caller's arguments are invalid; nothing was read or written.
    #[error("{0}")]
    Misuse(String),
}

impl StorageError {
    /// A setting of `store` that cannot be used.
    pub(crate) fn configuration(store: Store, reason: impl fmt::Display) -> Self {
        Self::Configuration { store, reason: reason.to_string() }
    }

    /// Whether the store is unavailable, overloaded or refuses the login, as opposed to rejecting this one request: for
    /// a transient error the API answers 503, a job retries, and the speed layer waits instead of writing dead letters.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => database_is_transient(error),
            Self::Migration(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                database_is_transient(error)
            }
            Self::Redis(error) => redis_is_transient(error),
            Self::Queue(_)
            | Self::File(_)
            | Self::TimedOut { .. }
            | Self::Disconnected { .. }
            | Self::LeaseLost(_)
            | Self::IndexIncomplete { .. } => true,
            Self::Objects(error) => !matches!(
                error,
                object_store::Error::InvalidPath { .. }
                    | object_store::Error::NotSupported { .. }
                    | object_store::Error::NotImplemented
                    | object_store::Error::UnknownConfigurationKey { .. }
            ),
            Self::Meilisearch(SdkError::Meilisearch(error)) => meilisearch_is_transient(error),
            Self::Meilisearch(SdkError::InvalidRequest) => false,
            Self::Meilisearch(_) => true,
            Self::MeilisearchTask { error, .. } => meilisearch_is_transient(error),
            Self::Migration(_)
            | Self::Configuration { .. }
            | Self::Json(_)
            | Self::Corrupt(_)
            | Self::Vanished(_)
            | Self::Misuse(_) => false,
        }
    }
}

fn database_is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        // sqlx reports these when a server, or a proxy in front of it, closes the connection during the handshake. If
        // they counted as permanent, an outage would turn events into dead letters.
        sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(db) => db.code().is_some_and(|code| code_is_transient(&code)),
        _ => false,
    }
}

/// Classifies an SQLSTATE (PostgreSQL manual, appendix A).
fn code_is_transient(code: &str) -> bool {
    match code {
        // A standby refuses writes: a fail-over is under way.
        "25006" => true,
        // PostgreSQL ended an idle transaction and its connection.
        "25P03" | "25P04" => true,
        // 08 connection, 28 authorization and 3D database (settings that an operator corrects, not the statement's
        // fault), 40 rollback (deadlock, serialisation), 53 resources, 55 lock, 57 operator (shutdown,
        // statement_timeout).
        _ => ["08", "28", "3D", "40", "53", "55", "57"].contains(&code.get(..2).unwrap_or("")),
    }
}

fn redis_is_transient(error: &RedisError) -> bool {
    use redis::ErrorKind::{Client, InvalidClientConfig, UnexpectedReturnType};
    if matches!(error.kind(), Client | InvalidClientConfig | UnexpectedReturnType) {
        return false;
    }
    match error.code() {
        // The general code: a wrong command or script, except where the server has too many clients.
        Some("ERR") => error.detail().is_some_and(|detail| detail.contains("max number of clients")),
        Some("WRONGTYPE" | "EXECABORT" | "NOSCRIPT" | "CROSSSLOT" | "NOTBUSY" | "NOSUB" | "NOGROUP" | "BUSYGROUP") => {
            false
        }
        // Loading, out of memory, read-only, wrong password, …; without a code: an I/O error or a time-out.
        _ => true,
    }
}

fn meilisearch_is_transient(error: &MeilisearchError) -> bool {
    // `Internal` is a full disk or a bug. A wrong key is permanent: it is reported at once, since waiting does not
    // correct it.
    !matches!(error.error_type, ErrorType::InvalidRequest | ErrorType::Auth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqlstate_is_transient_where_the_statement_is_not_to_blame() {
        for code in ["08006", "28P01", "3D000", "40001", "40P01", "53100", "53300", "55P03", "57014", "57P01", "25006"]
        {
            assert!(code_is_transient(code), "{code}");
        }
        for code in ["22003", "23505", "25001", "25P02", "42501", "42601", "42P01", "54000", "XX000", "", "é"] {
            assert!(!code_is_transient(code), "{code}");
        }
    }

    #[test]
    fn our_own_errors_name_the_store_and_the_time() {
        let slow = StorageError::TimedOut { store: Store::CacheRedis, after: Duration::from_millis(100) };
        assert_eq!(slow.to_string(), "the cache's Redis did not answer within 100ms");
        let lost = StorageError::Disconnected { store: Store::Postgres };
        assert_eq!(lost.to_string(), "the connection to PostgreSQL was lost");
        assert!(slow.is_transient() && lost.is_transient());
        assert!(!StorageError::configuration(Store::Meilisearch, "no").is_transient());
        assert!(!StorageError::Misuse("no watermark".into()).is_transient());
    }
}
