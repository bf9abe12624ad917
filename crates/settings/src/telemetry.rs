//! Sets up logs and metrics.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::LogSettings;

/// Buckets of all duration histograms, in seconds: from a cached answer to a slow nightly query.
const SECONDS_BUCKETS: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Sends log lines to standard error. A second call has no effect, so that every test may call it.
pub fn init_logs(settings: &LogSettings) {
    let filter = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // It fails only if a subscriber is already set.
    let _ = if settings.json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
}

/// Installs the process-wide recorder and returns the handle that renders `/metrics`. The caller must drain the
/// histograms regularly (`run_upkeep`).
///
/// # Errors
/// A recorder is already installed.
pub fn init_metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)?
        .install_recorder()
}
