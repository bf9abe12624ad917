//! Artifacts: tables that compute jobs write and readers read. A job stages rows under a run id and publishes them at
//! once; old runs are deleted later.

use serde::{Deserialize, Serialize};

pub use crate::jobs::Artifact;

/// Published runs kept per artifact unless the setting `ARTIFACT_RUNS_KEPT` says otherwise: one week of nightly runs,
/// which `as_of` can read.
pub const RUNS_KEPT_DEFAULT: u32 = 7;

/// A new run with fewer rows than this share of the published run is held back: half of the catalogue does not vanish
/// overnight, but a broken ingest looks like that.
pub const HOLD_BACK_SHARE: f64 = 0.5;

/// Whether a finished run becomes the one that readers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PublishDecision {
    /// The run becomes the published one.
    Publish,
    /// The run stays invisible; the reason goes to the job's result and to `artifact_runs.note`.
    HoldBack {
        /// The reason, for an operator.
        reason: String,
    },
}

impl Artifact {
    /// Whether its runs count facts up to a watermark ([`crate::merge`]). Their rows then follow from the facts alone:
    /// before the first fact a run is empty, and publishing it says that the batch layer has seen everything.
    pub fn has_watermark(self) -> bool {
        matches!(self, Self::BatchStatsHourly | Self::BatchSentimentHourly)
    }
}

/// Decides whether a run of `rows` rows may replace a published run of `published` rows (`None`: there is none yet).
pub fn publish_decision(artifact: Artifact, rows: u64, published: Option<u64>) -> PublishDecision {
    match published {
        None | Some(0) if rows == 0 && artifact.has_watermark() => PublishDecision::Publish,
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

/// A family of cached answers that depend on the same data. Publishing or ingesting increases the family's generation,
/// which makes older entries unreachable.
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

    /// The family's name in `cache_generations`, in cache keys and in settings.
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

    /// TTL of an answer in seconds: seed 1, sections 2.1, 2.2 and 3.3; similar titles: DESIGN.md section 5.
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
        let decision = |rows, published| publish_decision(Artifact::GenreStatsDaily, rows, published);
        assert!(matches!(decision(0, None), PublishDecision::HoldBack { .. }));
        assert!(matches!(decision(49, Some(100)), PublishDecision::HoldBack { .. }));
        assert_eq!(decision(50, Some(100)), PublishDecision::Publish);
        assert_eq!(decision(1, None), PublishDecision::Publish);
        assert_eq!(decision(1_000, Some(1)), PublishDecision::Publish);
    }

    #[test]
    fn a_run_over_events_may_be_empty_as_long_as_it_empties_nothing() {
        for artifact in [Artifact::BatchStatsHourly, Artifact::BatchSentimentHourly] {
            assert_eq!(publish_decision(artifact, 0, None), PublishDecision::Publish);
            assert_eq!(publish_decision(artifact, 0, Some(0)), PublishDecision::Publish);
            assert!(matches!(publish_decision(artifact, 0, Some(1)), PublishDecision::HoldBack { .. }));
        }
    }
}
