//! Runs probe: occupies a worker slot and does nothing.

use std::time::Duration;

use domain::jobs::Probe;
use serde_json::{Value, json};

use super::Run;
use crate::{JobContext, JobError, Shared};

/// Milliseconds between two reports of progress.
const SLICE_MS: u64 = 50;

impl Run for Probe {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        let hold = self.hold_ms.unwrap_or(0).min(Self::MAX_HOLD_MS);
        let mut held = 0;
        while held < hold {
            let slice = SLICE_MS.min(hold - held);
            tokio::time::sleep(Duration::from_millis(slice)).await;
            held += slice;
            context.progress(held as i64, Some(hold as i64), "holding");
        }
        Ok(json!({ "held_ms": held }))
    }
}
