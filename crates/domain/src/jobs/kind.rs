//! The enums of the registry, and the functions of every kind.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ArtifactSpec, JobKind, Queue};
use crate::artifacts::{Artifact, CacheFamily};

/// Generates [`JobKind`] and [`Artifact`] from the list in `jobs/mod.rs`.
macro_rules! registry {
    ($($Job:ident $(=> $Artifact:ident)?),* $(,)?) => {
        /// A kind of job that the worker can run. Its definition is in the file of its payload type.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum JobKind {
            $(#[doc = concat!("See [`", stringify!($Job), "`](struct@", stringify!($Job), ").")] $Job,)*
        }

        impl JobKind {
            /// Every kind, in the order of the registry.
            pub const ALL: [Self; [$(stringify!($Job)),*].len()] = [$(Self::$Job),*];

            /// The kind's definition.
            pub const fn definition(self) -> &'static $crate::jobs::Definition {
                match self {
                    $(Self::$Job => const { &<$Job as $crate::jobs::JobType>::DEFINITION },)*
                }
            }

            /// The artifact that the kind publishes; `None`: none.
            pub const fn artifact(self) -> Option<Artifact> {
                match self {
                    $(Self::$Job => $crate::jobs::kind::registry!(@artifact $($Artifact)?),)*
                }
            }

            /// Checks `options` and returns them as the ledger stores them for this kind.
            ///
            /// # Errors
            /// An option that the kind does not have, or a value of the wrong type.
            pub fn payload(self, options: &serde_json::Value) -> Result<serde_json::Value, $crate::jobs::PayloadError> {
                match self {
                    $(Self::$Job => $crate::jobs::payload::normalise::<$Job>(options),)*
                }
            }
        }

        /// An artifact: what a compute job publishes and readers read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Artifact {
            $($(#[doc = concat!("Published by [`", stringify!($Job), "`](struct@", stringify!($Job), ").")] $Artifact,)?)*
        }

        impl Artifact {
            /// Every artifact, in the order of the registry.
            pub const ALL: [Self; [$($(stringify!($Artifact),)?)*].len()] = [$($(Self::$Artifact,)?)*];

            /// The kind of job that publishes it.
            pub const fn job(self) -> JobKind {
                match self {
                    $($(Self::$Artifact => JobKind::$Job,)?)*
                }
            }
        }
    };
    (@artifact $Artifact:ident) => { Some(Artifact::$Artifact) };
    (@artifact) => { None };
}
pub(super) use registry;

/// The text is not the name of a kind of job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown job; known are {}", JobKind::ALL.map(JobKind::as_str).join(", "))]
pub struct UnknownJob;

impl JobKind {
    /// The kind's name.
    pub const fn as_str(self) -> &'static str {
        self.definition().name
    }

    /// Its name and its aliases: the values that a ledger row of this kind may have.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.as_str()).chain(self.definition().aliases.iter().copied())
    }

    /// The queue in which it waits.
    pub const fn queue(self) -> Queue {
        self.definition().queue
    }

    /// Time limit of one attempt.
    pub const fn timeout(self) -> Duration {
        self.definition().timeout
    }

    /// Number of attempts, after which a job that fails transiently is marked as failed.
    pub const fn max_attempts(self) -> i32 {
        self.definition().attempts
    }

    /// The kind that a POST to this path below `/admin/` enqueues.
    pub fn triggered_at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.definition().triggers.contains(&path))
    }

    /// The steps of compute-all, in order.
    pub fn compute_steps() -> Vec<Self> {
        let mut steps: Vec<Self> =
            Self::ALL.into_iter().filter(|kind| kind.definition().compute_step.is_some()).collect();
        steps.sort_by_key(|kind| kind.definition().compute_step);
        steps
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobKind {
    type Err = UnknownJob;
    fn from_str(text: &str) -> Result<Self, UnknownJob> {
        Self::ALL.into_iter().find(|kind| kind.names().any(|name| name == text)).ok_or(UnknownJob)
    }
}

impl Serialize for JobKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for JobKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Artifact {
    /// The artifact's definition.
    pub const fn spec(self) -> &'static ArtifactSpec {
        match &self.job().definition().artifact {
            Some(spec) => spec,
            None => panic!("the registry names an artifact that the job's definition lacks"),
        }
    }

    /// The artifact's name, which is also that of its table.
    pub const fn as_str(self) -> &'static str {
        self.spec().name
    }

    /// The cache family whose entries a new run makes unreachable.
    pub const fn family(self) -> CacheFamily {
        self.spec().family
    }
}

impl Serialize for Artifact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

// Checked at compile time: a job that the registry lists with an artifact has one in its definition.
const _: () = {
    let mut at = 0;
    while at < Artifact::ALL.len() {
        Artifact::ALL[at].spec();
        at += 1;
    }
};
