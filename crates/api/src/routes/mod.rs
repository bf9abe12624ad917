//! One file a resource. A handler parses parameters into a question of the crate `query` and has it answered.

pub mod admin;
pub mod analytics;
pub mod docs;
pub mod events;
pub mod health;
pub mod metrics;
pub mod movies;
mod params;
pub mod predictions;
pub mod reviews;
pub mod search;
pub mod trending;

use crate::router::PREFIX;

pub use query::List;
