//! Definition of the job `ingest`.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType, Queue, Schedule};
use crate::ingest::IngestMode;

/// The job `ingest`: updates the catalogue from TMDB, or extends the demo world to today.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// How to find the movies to fetch; `None` is [`IngestMode::Auto`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<IngestMode>,
}

impl JobType for Ingest {
    const KIND: JobKind = JobKind::Ingest;
    const DEFINITION: Definition = Definition {
        queue: Queue::Ingest,
        // A full TMDB ingest makes a million requests at 30 a second.
        timeout: minutes(24 * 60),
        schedule: Some(Schedule {
            cron: "0 0 2 * * *",
            reason: "TMDB's day ends at midnight UTC and traffic is lowest; everything later feeds on it",
        }),
        triggers: &["ingest/run"],
        ..Definition::new("ingest", "brings the catalogue up to date from TMDB, or keeps the demo world current")
    };
}
