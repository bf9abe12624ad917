//! What the ledger keeps of a job: its arguments and where it stands.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ingest::IngestMode;

/// A job's arguments: small, ids only, the same JSON in ledger and API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobPayload {
    /// Ingest: how to enumerate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<IngestMode>,
    /// Compute: publish even a run that would be held back.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
    /// Probe: milliseconds to hold a worker slot, at most [`JobPayload::MAX_HOLD_MS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
}

impl JobPayload {
    pub const MAX_HOLD_MS: u64 = 300_000;
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    Queued,
    Running,
    Retrying,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobStatus {
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Retrying, Self::Succeeded, Self::Failed, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job will change no more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl FromStr for JobStatus {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}
