//! One binary for all integration tests of the crate: one link step instead of six.

// A broken precondition of a test should end it on the spot.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod demo;
mod dumps;
mod dumps_real;
mod tmdb_client;
mod tmdb_ingest;
mod tmdb_recorded;

// These belong to test-support, which depends on half the workspace; these tests need only two files of it.
#[allow(dead_code)]
#[path = "../../../test-support/src/tmdb_stub.rs"]
mod tmdb_stub;
#[allow(dead_code)]
#[path = "../../../test-support/src/wait.rs"]
mod wait;

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use domain::MovieId;
use sources::tmdb::{TmdbClient, TmdbConfig};

/// Real data beside the repository, where there is some; tests that need it say that they skip.
fn shared_data() -> Option<PathBuf> {
    let shared = std::env::var_os("MOVIEMETRIC_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let data = shared.join("data");
    if data.is_dir() {
        return Some(data);
    }
    println!("skipped: there is no {} (set MOVIEMETRIC_SHARED)", data.display());
    None
}

/// Settings with waits in milliseconds and no rate to speak of.
fn settings(stub: &tmdb_stub::TmdbStub) -> TmdbConfig {
    let base: url::Url = stub.base_url().parse().unwrap();
    TmdbConfig {
        requests_per_second: 100_000,
        timeout: Duration::from_secs(5),
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(4),
        pause_default: Duration::from_millis(20),
        ..TmdbConfig::new(base.clone(), base.join("exports/").unwrap(), tmdb_stub::STUB_KEY.parse().unwrap())
    }
}

fn client(stub: &tmdb_stub::TmdbStub) -> TmdbClient {
    TmdbClient::new(settings(stub)).unwrap()
}

fn ids(raw: impl IntoIterator<Item = i64>) -> Vec<MovieId> {
    raw.into_iter().map(|id| MovieId::new(id).unwrap()).collect()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}
