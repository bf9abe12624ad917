//! The types and rules of MovieMetric: ids, entities, windows, formulas, job payloads.
//!
//! No I/O and no async: every function is pure and takes `now` as an argument, so that a formula can be checked on
//! paper and tested in microseconds. Every other crate of the workspace uses these types.

pub mod actor_collaboration;
pub mod artifacts;
pub mod clock;
pub mod events;
pub mod experiments;
pub mod genre_analytics;
pub mod genre_stats;
pub mod history;
pub mod hours;
pub mod ids;
pub mod ingest;
pub mod jobs;
pub mod merge;
pub mod movies;
pub mod page;
pub mod predictions;
pub mod preferences;
pub mod ratings_by_decade;
pub mod recommendations;
pub mod rounding;
pub mod schedule;
pub mod search;
pub mod sentiment;
pub mod similar;
pub mod trending;
pub mod trends;
pub mod viewers;

pub use ids::{EventId, InvalidId, JobId, MovieId, PersonId, ReviewId, RunId, ViewerId};
