//! Artifacts: what compute jobs produce and readers read. Staged under a run id, published at once, collected later.

use serde::{Deserialize, Serialize};

pub use crate::jobs::Artifact;

/// Published runs kept per artifact unless the setting `ARTIFACT_RUNS_KEPT` says otherwise: a week of nightly runs to
/// go back to.
pub const RUNS_KEPT_DEFAULT: u32 = 7;

/// A new run smaller than this share of the published one is held back: half the catalogue does not vanish
/// overnight, but a broken ingest looks just like that.
pub const HOLD_BACK_SHARE: f64 = 0.5;

/// Whether a finished run becomes the one that readers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PublishDecision {
    /// It does.
    Publish,
    /// It is kept aside; the reason goes to the job's result and to `artifact_runs.note`.
    HoldBack {
        /// For an operator to read.
        reason: String,
    },
}

/// Whether a run of `rows` may replace a published one of `published` rows (`None`: there is none yet).
pub fn publish_decision(rows: u64, published: Option<u64>) -> PublishDecision {
    match published {
        _ if rows == 0 => {
            PublishDecision::HoldBack { reason: "the run has no rows; publishing it would empty the artifact".into() }
        }
        Some(before) if (rows as f64) < before as f64 * HOLD_BACK_SHARE => PublishDecision::HoldBack {
            reason: format!(
                "the run has {rows} rows, less than half of the {before} published; publish it with `force` if that is right"
            ),
        },
        _ => PublishDecision::Publish,
    }
}

/// What a cached answer depends on. Publishing or ingesting bumps the family, which makes older entries unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheFamily {
    Movies,
    Trending,
    Analytics,
    Search,
    Recommendations,
    Sentiment,
    Trends,
    Predictions,
}

impl CacheFamily {
    /// Every family.
    pub const ALL: [Self; 8] = [
        Self::Movies,
        Self::Trending,
        Self::Analytics,
        Self::Search,
        Self::Recommendations,
        Self::Sentiment,
        Self::Trends,
        Self::Predictions,
    ];

    /// The word in `cache_generations`, in cache keys and in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Movies => "movies",
            Self::Trending => "trending",
            Self::Analytics => "analytics",
            Self::Search => "search",
            Self::Recommendations => "recommendations",
            Self::Sentiment => "sentiment",
            Self::Trends => "trends",
            Self::Predictions => "predictions",
        }
    }

    /// Seconds an answer may be reused, seed 1 sections 2.1, 2.2 and 3.3 (recommendations: DESIGN.md section 5).
    pub fn default_ttl_seconds(self) -> u64 {
        match self {
            Self::Movies | Self::Trending => 300,
            Self::Sentiment => 180,
            Self::Analytics | Self::Predictions => 1_800,
            Self::Search => 600,
            Self::Recommendations | Self::Trends => 3_600,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_would_empty_or_halve_an_artifact_is_held_back() {
        assert!(matches!(publish_decision(0, None), PublishDecision::HoldBack { .. }));
        assert!(matches!(publish_decision(49, Some(100)), PublishDecision::HoldBack { .. }));
        assert_eq!(publish_decision(50, Some(100)), PublishDecision::Publish);
        assert_eq!(publish_decision(1, None), PublishDecision::Publish);
        assert_eq!(publish_decision(1_000, Some(1)), PublishDecision::Publish);
    }
}
