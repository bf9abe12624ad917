//! The handlers, one file per resource. A handler parses parameters into a question of the crate `query` and passes it
//! to [`crate::answer`].

pub mod admin;
pub mod analytics;
pub mod docs;
pub mod events;
pub mod health;
pub mod metrics;
pub mod movies;
mod params;
pub mod predictions;
pub mod recommendations;
pub mod reviews;
pub mod search;
pub mod trending;
pub mod viewers;

pub use query::List;
