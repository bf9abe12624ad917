//! Definition of the job `search-index`: the full rebuild of the search index.

use serde::{Deserialize, Serialize};

use super::definition::minutes;
use super::{Definition, JobKind, JobType, Schedule};

/// The job `search-index`: builds a new search index beside the live one and swaps them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchIndex {}

impl JobType for SearchIndex {
    const KIND: JobKind = JobKind::SearchIndex;
    const DEFINITION: Definition = Definition {
        timeout: minutes(3 * 60),
        schedule: Some(Schedule {
            cron: "0 0 4 * * 1",
            reason: "a full rebuild heals drift; single movies are kept current by ingest",
        }),
        triggers: &["search/build-index"],
        compute_step: Some(110),
        ..Definition::new("search-index", "rebuilds the search index beside the live one")
    };
}
