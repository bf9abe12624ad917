//! The batch layer: one file an artifact, with what its job reads, stages and counts, and what readers ask of a published
//! run. Runs and heads are [`super::artifacts`]'s.

pub mod actor_collaboration;
pub mod event_stats;
pub mod genre_analytics;
pub mod genre_stats;
pub mod predictions;
pub mod ratings_by_decade;
pub mod sentiment;
pub mod similar;
pub mod trending;
pub mod trends;
mod watermark;

use chrono::{DateTime, Utc};
use domain::hours::Hour;

pub use watermark::{EventRun, Snapshot, hold_watermark, publish, snapshot, watermark};

/// An hour's start as PostgreSQL can take it: chrono's calendar reaches farther back. No fact of ours is older.
pub(super) fn storable(hour: Hour) -> DateTime<Utc> {
    hour.start().max(DateTime::UNIX_EPOCH)
}
