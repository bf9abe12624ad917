//! The metrics recorder. A process has one recorder, even if (in tests) it builds several applications.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusHandle};

/// Interval of draining histograms. They keep raw samples until then, so the interval bounds their memory use.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Returns the recorder's handle. The first call installs the recorder.
pub fn handle() -> Result<PrometheusHandle, BuildError> {
    let mut handle = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*handle {
        return Ok(handle.clone());
    }
    Ok(handle.insert(settings::telemetry::init_metrics()?).clone())
}

/// Drains the histograms every [`UPKEEP_INTERVAL`], as long as the process runs.
pub async fn upkeep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        handle.run_upkeep();
    }
}
