//! TMDB's v3 API as a source: a client that behaves, and an ingest that resumes.
//!
//! [`TmdbClient`] keeps to a request rate, heeds 429 for everybody at once and retries what may pass.
//! [`TmdbIngest`] enumerates films (all by release date, or those changed) and hands out [`Batch`]es, each with the
//! [`TmdbCursor`] that has to be committed together with its records.

mod client;
mod cursor;
mod films;
mod ingest;
mod listing;
mod movie;
mod plan;
mod popular;
mod response;
mod settings;

pub use client::TmdbClient;
pub use cursor::{InProgress, TmdbCursor, Window};
pub use films::Films;
pub use ingest::{Batch, TmdbIngest};
pub use movie::movie_records;
pub use plan::{FIRST_RELEASE, Plan, plan};
pub use popular::{POPULAR_PAGE, Popular};
pub use settings::{InvalidCredential, TmdbCredential, TmdbSettings};
