//! The worker against real PostgreSQL and Redis. One binary, so that the linker runs once.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod artifacts;
mod attempts;
mod batch;
mod batch_events;
mod batch_predictions;
mod chains;
mod crashes;
mod flow;
mod ingest;
mod recommender;
mod refresh_popular;
mod search_index;
mod speed;
mod support;
