//! What is known about a kind of job before it runs. Each fact is stated here only.

use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{JobKind, Queue};
use crate::artifacts::CacheFamily;

/// A kind of job. The implementing type is the job's payload: its options as JSON in the ledger. Payloads are small and
/// contain ids only.
///
/// Each option has a default that is not serialised, so that `{}` is a valid payload of every kind, and unknown options
/// are rejected (`#[serde(default, deny_unknown_fields)]`). A kind that publishes an artifact has the option `force`.
pub trait JobType: Serialize + DeserializeOwned + Default + Debug + Send + Sync + 'static {
    /// The kind's entry in the registry.
    const KIND: JobKind;
    /// The properties of the kind.
    const DEFINITION: Definition;
}

/// The properties of a kind of job. API, CLI, scheduler and worker read them here.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The kind's name in the ledger, the API, the CLI and the schedule, in kebab case.
    pub name: &'static str,
    /// Other names that are accepted wherever `name` is; old ledger rows may contain them.
    pub aliases: &'static [&'static str],
    /// A one-line description for `--help`.
    pub summary: &'static str,
    /// The queue in which it waits.
    pub queue: Queue,
    /// Time limit of one attempt.
    pub timeout: Duration,
    /// Number of attempts, after which a job that fails transiently is marked as failed.
    pub attempts: i32,
    /// When the scheduler enqueues it; `None`: never.
    pub schedule: Option<Schedule>,
    /// The artifact that it publishes.
    pub artifact: Option<ArtifactSpec>,
    /// Paths below `/admin/` whose POST enqueues it, the canonical one first. Empty: no HTTP trigger.
    pub triggers: &'static [&'static str],
    /// Its position among the steps of compute-all, lowest first; `None`: not a step. Cheap steps come first, so that a
    /// late failure costs least, and a step comes after those whose artifacts it reads.
    pub compute_step: Option<u16>,
}

impl Definition {
    /// The defaults: compute queue, time limit 30 minutes, five attempts, no schedule, no trigger. A job's file
    /// overrides what differs.
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

/// A line of the schedule (UTC), named as the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Six fields, seconds first; days of the week count from 1 = Monday.
    pub cron: &'static str,
    /// Why it runs at that time.
    pub reason: &'static str,
}

/// An artifact: rows that a job stages under a run id and publishes at once.
#[derive(Debug, Clone, Copy)]
pub struct ArtifactSpec {
    /// The artifact's name in `artifact_runs`, in job results and in error messages.
    pub name: &'static str,
    /// The tables with its rows, each with a column `run_id`. The first table is the artifact itself, the others are
    /// auxiliary.
    pub tables: &'static [Table],
    /// The cache family whose entries a new run makes unreachable.
    pub family: CacheFamily,
}

/// The name of a table. It is checked at compile time, so that it may stand in SQL without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    name: &'static str,
    partitioned: bool,
}

impl Table {
    /// Checks the name of a table.
    ///
    /// # Panics
    /// Panics if the name contains anything but lower-case letters, digits and underscores; in a constant that is a
    /// compile error.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes[0].is_ascii_lowercase(), "a table's name begins with a letter");
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            assert!(byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_', "not a table's name");
            at += 1;
        }
        Self { name, partitioned: false }
    }

    /// As [`Table::new`], for a table with a partition a run, `<name>_<run id in hex>`.
    ///
    /// # Panics
    /// As [`Table::new`].
    pub const fn partitioned(name: &'static str) -> Self {
        Self { name: Self::new(name).name, partitioned: true }
    }

    /// Whether each run has a partition of its own, which is dropped with it.
    pub const fn is_partitioned(self) -> bool {
        self.partitioned
    }

    /// The table's name.
    pub const fn name(self) -> &'static str {
        self.name
    }
}
