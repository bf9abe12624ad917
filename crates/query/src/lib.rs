//! Questions about movies, and their answers.
//!
//! A [`Question`] is a struct in which every default is filled in. [`Question::read`] reads from the [`Reader`], which
//! holds the stores, and returns a view: a struct with public fields that includes its provenance. This crate knows
//! neither HTTP nor the response cache, so the API, exports and the command line ask in the same way.
//!
//! Start reading at [`genre_stats`], the smallest list, and [`sentiment`], the smallest merged answer.

pub mod active;
pub mod actor_collaboration;
mod artifact;
mod error;
pub mod experiment;
pub mod genre_analytics;
pub mod genre_stats;
pub mod lag;
mod layer_stats;
mod list;
pub mod list_log;
pub mod model;
pub mod movies;
mod numbers;
pub mod predictions;
mod provenance;
mod question;
pub mod ratings_by_decade;
mod reader;
pub mod recommendations;
mod rows;
pub mod search;
pub mod sentiment;
pub mod similar;
pub mod trending;
pub mod trends;

pub use error::QueryError;
pub use layer_stats::LayerStats;
pub use list::{ArtifactList, IntoRows, List, Listing, Paged, PagedList};
pub use provenance::{CacheState, DataSources, LayerHours, Provenance, ProvenanceSpan};
pub use question::{LiveFacts, Question};
pub use reader::Reader;
pub use rows::Rows;
