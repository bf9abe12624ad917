//! The batch layer: one file per artifact with the queries of its job and of its readers. Runs and heads are in
//! [`super::artifacts`].

pub mod actor_collaboration;
pub mod event_stats;
pub mod genre_analytics;
pub mod genre_stats;
pub mod predictions;
pub mod ratings_by_decade;
pub mod recommendations;
pub mod sentiment;
pub mod similar;
pub mod trending;
pub mod trends;
mod watermark;

use chrono::{DateTime, Utc};
use domain::hours::Hour;

pub use watermark::{EventRun, Snapshot, hold_watermark, publish, snapshot, watermark};

/// The start of an hour, clamped to PostgreSQL's range, which is smaller than chrono's. No stored fact is outside it.
pub(super) fn storable(hour: Hour) -> DateTime<Utc> {
    hour.start().max(DateTime::UNIX_EPOCH)
}
