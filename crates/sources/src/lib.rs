//! Where movies, ratings and reviews come from: the TMDB API, dump files, the demo world.
//!
//! Every source yields [`domain::ingest::Record`]s that are already clean. What a source got wrong comes out as
//! `Record::Quarantined` and stops nothing; a [`SourceError`] means that the source itself cannot go on. Nothing here
//! knows where records end up: no SQL, no queue.

pub mod demo;
pub mod dumps;
mod error;
pub mod history;
mod lenient;
mod movie;
pub mod pause;
pub mod tmdb;

pub use error::SourceError;
