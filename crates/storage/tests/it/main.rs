//! The storage crate against real servers, module by module as in `src`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod artifact_runs;
mod artifacts;
mod batch;
mod cache;
mod catalogue;
mod changes;
mod errors;
mod event_log;
mod experiments;
mod health;
mod history;
mod jobs;
mod queue;
mod search_faults;
mod search_index;
mod search_outbox;
mod search_tiers;
mod speed;
mod support;
mod viewers;
