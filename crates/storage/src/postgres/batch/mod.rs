//! Batch views: published runs over the stored facts, staged by nightly jobs and read with the speed layer's views.

pub mod collaboration;
pub mod event_stats;
pub mod genre_analytics;
pub mod predictions;
pub mod sentiment;
pub mod trends;
mod watermark;

use chrono::{DateTime, Utc};
use domain::hours::Hour;

pub use watermark::{EventRun, Snapshot, hold_watermark, publish, snapshot, watermark};

/// An hour's start as PostgreSQL can take it: chrono's calendar reaches farther back. No fact of ours is older.
pub(super) fn storable(hour: Hour) -> DateTime<Utc> {
    hour.start().max(DateTime::UNIX_EPOCH)
}
