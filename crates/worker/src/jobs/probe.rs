//! Holds a worker slot and does nothing: how doctor and the tests see that jobs flow.

use std::time::Duration;

use domain::jobs::JobPayload;
use serde_json::{Value, json};

use crate::{JobContext, JobError};

pub(super) async fn run(context: &JobContext, hold_ms: u64) -> Result<Value, JobError> {
    const SLICE_MS: u64 = 50;
    let hold = hold_ms.min(JobPayload::MAX_HOLD_MS);
    let mut held = 0;
    while held < hold {
        let slice = SLICE_MS.min(hold - held);
        tokio::time::sleep(Duration::from_millis(slice)).await;
        held += slice;
        context.progress(held as i64, Some(hold as i64), "holding");
    }
    Ok(json!({ "held_ms": held }))
}
