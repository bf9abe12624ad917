//! Definition of the job `predictions`.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `predictions`: forecasts each active movie's popularity and trending rank for fourteen days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Predictions {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for Predictions {
    const KIND: JobKind = JobKind::Predictions;
    const DEFINITION: Definition = Definition {
        // The job fits models to every active movie.
        timeout: minutes(3 * 60),
        schedule: Some(Schedule {
            cron: "0 30 4 * * *",
            reason: "the night's longest computation, when everything readers ask for more is done",
        }),
        artifact: Some(ArtifactSpec {
            name: "trend_predictions",
            tables: &[Table::new("trend_predictions"), Table::new("prediction_backtests")],
            family: CacheFamily::Predictions,
        }),
        triggers: &["compute/predictions"],
        compute_step: Some(90),
        ..Definition::new("predictions", "forecasts each active movie's popularity and trending rank for fourteen days")
    };
}
