//! TMDB's v3 API as a source: a client that behaves, and an ingest that resumes.
//!
//! [`TmdbClient`] keeps to a request rate, heeds 429 for everybody at once and retries what may pass.
//! [`TmdbIngest`] enumerates movies (all by release date, or those changed) and hands out [`Chunk`]s, each with the
//! [`TmdbCursor`] that has to be committed together with its records.

mod client;
mod config;
mod cursor;
mod export;
mod ingest;
mod listing;
mod movie;
mod movies;
mod plan;
mod popular;
mod response;
mod window;

pub use client::TmdbClient;
pub use config::{InvalidCredential, TmdbConfig, TmdbCredential};
pub use cursor::{InProgress, TmdbCursor};
pub use ingest::{Chunk, TmdbIngest};
pub use movie::movie_records;
pub use movies::Movies;
pub use plan::{FIRST_RELEASE, Plan, plan};
pub use popular::{POPULAR_PAGE, Popular};
pub use window::DateWindow;
