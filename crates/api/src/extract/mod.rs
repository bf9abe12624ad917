//! Extractors: they validate parameters, headers and bodies, so handlers receive valid values only.

mod body;
mod client;
mod genre;
mod id;
mod idempotency;
mod names;
mod params;
mod values;

pub use body::{Body, RawBody, Upload};
pub use client::client;
pub use genre::InPath;
pub use id::Id;
pub use idempotency::IdempotencyKey;
pub use names::{AliasInPath, ViewerInPath};
pub use params::Params;
pub use values::{Day, GenreName, Language, Minutes, Month, MovieIds, Parsed, QueryText, Rating, Share, Year};
