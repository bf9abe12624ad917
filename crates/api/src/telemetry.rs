//! The process's metrics: one recorder, however many applications a process (a test) builds.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusHandle};

/// Histograms collect raw samples until they are drained; between two scrapes that would be all of them.
const UPKEEP: Duration = Duration::from_secs(5);

static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// The recorder's handle; installs the recorder on the first call.
pub fn handle() -> Result<PrometheusHandle, BuildError> {
    let mut handle = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*handle {
        return Ok(handle.clone());
    }
    Ok(handle.insert(settings::telemetry::init_metrics()?).clone())
}

/// Drains the histograms now and then, for as long as the process runs.
pub async fn upkeep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}
