//! The catalogue: what sources say of movies.

mod cursors;
mod demo;
mod load;
mod movies;
mod quarantine;
mod search;
mod tombstones;
mod upsert;
mod viewers;
mod writer;
