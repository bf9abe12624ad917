//! Definition of the job `sentiment`: sentiment of reviews by movie and hour.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::payload::is_false;
use super::{ArtifactSpec, Definition, JobKind, JobType, Schedule, Table};
use crate::artifacts::CacheFamily;

/// The job `sentiment`: computes the sentiment of reviews by movie and hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sentiment {
    /// Publish the run even if it would be held back as suspiciously small.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

impl JobType for Sentiment {
    const KIND: JobKind = JobKind::Sentiment;
    const DEFINITION: Definition = Definition {
        // The job scores the text of every review.
        timeout: minutes(3 * 60),
        schedule: Some(Schedule {
            cron: "0 40 3 * * *",
            reason: "ingest has brought the night's reviews; before what averages it",
        }),
        artifact: Some(ArtifactSpec {
            name: "batch_sentiment_hourly",
            tables: &[Table::new("batch_sentiment_hourly")],
            family: CacheFamily::Sentiment,
        }),
        triggers: &["compute/sentiment"],
        // Runs before trends and genre analytics, which average its results.
        compute_step: Some(50),
        ..Definition::new("sentiment", "scores reviews, by movie and hour")
    };
}
