//! The API over HTTP, against real PostgreSQL and Redis; every test has its own database and its own corner of Redis.

// A broken precondition of a test should end it on the spot.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admin;
mod analytics;
mod app;
mod bad_input;
mod batch;
mod cache;
mod contract;
mod docs;
mod events;
mod experiments;
mod export;
mod health;
mod http;
mod leftovers;
mod live;
mod merged;
mod models;
mod movies;
mod outage;
mod raw;
mod recommendations;
mod search;
mod sentiment;
mod similar;
mod sse;
mod surfaces;
mod trending;
