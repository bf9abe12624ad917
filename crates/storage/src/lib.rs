//! All state: PostgreSQL (all SQL is in [`postgres`]), the response cache, the queue, the event log, the search
//! index, the object store.
//!
//! Functions take the connection, pool or transaction that they use, so the caller decides what is atomic.

pub mod cache;
pub mod changes;
mod error;
pub mod event_log;
pub mod objects;
pub mod postgres;
pub mod queue;
pub mod search_index;

pub use error::{StorageError, Store};

/// The migrations of the schema, also for tests (`#[sqlx::test(migrator = "storage::MIGRATOR")]`).
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");
