//! What is known about a kind of job before it runs: the one place where each fact of it is written.

use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{JobKind, Queue};
use crate::artifacts::CacheFamily;

/// A kind of job. The implementing type is the job's payload: its options, small, ids only, as JSON in the ledger.
///
/// Each option has a default that serialises to nothing, so that `{}` is a payload of every kind, and unknown options
/// are refused (`#[serde(default, deny_unknown_fields)]`). A kind that publishes an artifact has the option `force`.
pub trait JobType: Serialize + DeserializeOwned + Default + Debug + Send + Sync + 'static {
    /// The kind's entry in the registry.
    const KIND: JobKind;
    /// The facts.
    const DEFINITION: Definition;
}

/// The facts of a kind of job. API, CLI, scheduler and worker read them here.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The kebab-case word in the ledger, the API, the CLI and the schedule.
    pub name: &'static str,
    /// Other names that are understood wherever `name` is, and may stand in old ledger rows.
    pub aliases: &'static [&'static str],
    /// What it does, in one line for `--help`.
    pub summary: &'static str,
    /// The queue it waits in.
    pub queue: Queue,
    /// Longest a single attempt may take.
    pub timeout: Duration,
    /// Attempts before a job that fails transiently is given up.
    pub attempts: i32,
    /// When the scheduler enqueues it by itself.
    pub schedule: Option<Schedule>,
    /// What it publishes.
    pub artifact: Option<ArtifactSpec>,
    /// Paths below `/admin/` whose POST enqueues it, the canonical one first; none: not over HTTP.
    pub triggers: &'static [&'static str],
    /// Its place among the steps of compute-all, lowest first. Cheap steps come first, so that a late failure costs
    /// least, and a step comes after those whose artifacts it reads.
    pub compute_step: Option<u16>,
}

impl Definition {
    /// A job of the compute queue with 30 minutes and five attempts, neither scheduled nor triggered; a job's file
    /// names what differs.
    pub const fn new(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            summary,
            queue: Queue::Compute,
            timeout: minutes(30),
            attempts: 5,
            schedule: None,
            artifact: None,
            triggers: &[],
            compute_step: None,
        }
    }
}

/// A duration for [`Definition::timeout`].
pub(super) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// A line of the schedule (UTC); its name is the job's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Six fields, seconds first; days of the week count from 1 = Monday.
    pub cron: &'static str,
    /// Why at that time.
    pub reason: &'static str,
}

/// An artifact: rows that a job stages under a run id and publishes at once.
#[derive(Debug, Clone, Copy)]
pub struct ArtifactSpec {
    /// The word in `artifact_runs`, in job results and in problems.
    pub name: &'static str,
    /// The tables that hold its rows, each with a column `run_id`; the first is the artifact, the others belong to it.
    pub tables: &'static [Table],
    /// The cached answers that a new run makes unreachable.
    pub family: CacheFamily,
}

/// The name of a table, checked when the program is compiled, so that it may stand in SQL without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table(&'static str);

impl Table {
    /// # Panics
    /// On a name that is not of lower-case letters, digits and underscores. In a constant that is a compile error.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes[0].is_ascii_lowercase(), "a table's name begins with a letter");
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            assert!(byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_', "not a table's name");
            at += 1;
        }
        Self(name)
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}
