//! Jobs: what the worker can be asked to do, and the policy each kind runs under.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::artifacts::Artifact;

mod ledger;
mod policy;

pub use ledger::{JobPayload, JobStatus};
pub use policy::{BACKOFF_MAX, HEARTBEAT, LEASE, MAX_CRASHES, backoff, eta_seconds};

/// What a job does. The kebab-case word is the same in the ledger, the API, the CLI and the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    Ingest,
    /// What the source says of the most popular movies just now, for the speed layer.
    RefreshPopular,
    Trending,
    GenreStats,
    RatingsByDecade,
    /// Similar titles; seed 3 says "recommendations", which is still understood.
    #[serde(alias = "recommendations")]
    Similar,
    /// What viewers did, by movie and hour.
    EventStats,
    /// What reviews say, by movie and hour.
    Sentiment,
    Trends,
    GenreAnalytics,
    ActorCollaboration,
    Predictions,
    SearchIndex,
    /// Every artifact, one after the other, then the search index.
    ComputeAll,
    /// Deletes artifact runs past the number kept, and old ledger rows.
    CollectRuns,
    /// Does nothing for `hold_ms`: how doctor and the tests see that jobs flow.
    Probe,
}

/// Why a text names no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown job; known are {}", JobKind::ALL.map(JobKind::as_str).join(", "))]
pub struct UnknownJob;

impl JobKind {
    pub const ALL: [Self; 16] = [
        Self::Ingest,
        Self::RefreshPopular,
        Self::Trending,
        Self::GenreStats,
        Self::RatingsByDecade,
        Self::Similar,
        Self::EventStats,
        Self::Sentiment,
        Self::Trends,
        Self::GenreAnalytics,
        Self::ActorCollaboration,
        Self::Predictions,
        Self::SearchIndex,
        Self::ComputeAll,
        Self::CollectRuns,
        Self::Probe,
    ];

    /// The steps of [`JobKind::ComputeAll`], cheapest first, so that a failure late costs least; sentiment before the
    /// two that average it.
    pub const COMPUTE_STEPS: [Self; 11] = [
        Self::Trending,
        Self::GenreStats,
        Self::RatingsByDecade,
        Self::EventStats,
        Self::Sentiment,
        Self::Trends,
        Self::GenreAnalytics,
        Self::ActorCollaboration,
        Self::Predictions,
        Self::Similar,
        Self::SearchIndex,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::RefreshPopular => "refresh-popular",
            Self::Trending => "trending",
            Self::GenreStats => "genre-stats",
            Self::RatingsByDecade => "ratings-by-decade",
            Self::Similar => "similar",
            Self::EventStats => "event-stats",
            Self::Sentiment => "sentiment",
            Self::Trends => "trends",
            Self::GenreAnalytics => "genre-analytics",
            Self::ActorCollaboration => "actor-collaboration",
            Self::Predictions => "predictions",
            Self::SearchIndex => "search-index",
            Self::ComputeAll => "compute-all",
            Self::CollectRuns => "collect-runs",
            Self::Probe => "probe",
        }
    }

    /// The queue it waits in. Ingest has one of its own: it may run for hours and must not hold up the nightly batch,
    /// nor the hourly refresh.
    pub fn queue(self) -> Queue {
        match self {
            Self::Ingest => Queue::Ingest,
            Self::RefreshPopular | Self::CollectRuns | Self::Probe => Queue::Maintenance,
            _ => Queue::Compute,
        }
    }

    /// Longest a single attempt may take. A full TMDB ingest makes a million requests at 30 a second; what reads every
    /// event or review, or fits a model to every movie, takes minutes where the rest takes seconds.
    pub fn timeout(self) -> Duration {
        match self {
            Self::Ingest => Duration::from_secs(24 * 3_600),
            Self::Similar
            | Self::EventStats
            | Self::Sentiment
            | Self::Predictions
            | Self::SearchIndex
            | Self::ComputeAll => Duration::from_secs(3 * 3_600),
            Self::Trending
            | Self::GenreStats
            | Self::RatingsByDecade
            | Self::Trends
            | Self::GenreAnalytics
            | Self::ActorCollaboration => Duration::from_secs(1_800),
            // Of five hundred pages at most; a slower one would meet the next hour's.
            Self::RefreshPopular => Duration::from_secs(1_800),
            Self::CollectRuns | Self::Probe => Duration::from_secs(600),
        }
    }

    /// Attempts before a job that fails transiently is given up.
    pub fn max_attempts(self) -> i32 {
        5
    }

    /// The artifact a compute job publishes.
    pub fn artifact(self) -> Option<Artifact> {
        match self {
            Self::Trending => Some(Artifact::MovieTrendingDaily),
            Self::GenreStats => Some(Artifact::GenreStatsDaily),
            Self::RatingsByDecade => Some(Artifact::RatingsByDecade),
            Self::Similar => Some(Artifact::SimilarMovies),
            Self::EventStats => Some(Artifact::BatchStatsHourly),
            Self::Sentiment => Some(Artifact::BatchSentimentHourly),
            Self::Trends => Some(Artifact::TemporalTrends),
            Self::GenreAnalytics => Some(Artifact::GenreAnalytics),
            Self::ActorCollaboration => Some(Artifact::ActorCollaboration),
            Self::Predictions => Some(Artifact::TrendPredictions),
            Self::Ingest
            | Self::RefreshPopular
            | Self::SearchIndex
            | Self::ComputeAll
            | Self::CollectRuns
            | Self::Probe => None,
        }
    }

    /// The job that computes an artifact.
    pub fn of(artifact: Artifact) -> Self {
        match artifact {
            Artifact::MovieTrendingDaily => Self::Trending,
            Artifact::GenreStatsDaily => Self::GenreStats,
            Artifact::RatingsByDecade => Self::RatingsByDecade,
            Artifact::SimilarMovies => Self::Similar,
            Artifact::BatchStatsHourly => Self::EventStats,
            Artifact::BatchSentimentHourly => Self::Sentiment,
            Artifact::TemporalTrends => Self::Trends,
            Artifact::GenreAnalytics => Self::GenreAnalytics,
            Artifact::ActorCollaboration => Self::ActorCollaboration,
            Artifact::TrendPredictions => Self::Predictions,
        }
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
        let text = if text == "recommendations" { "similar" } else { text };
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownJob)
    }
}

/// The queues of the transport, each with its own concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    Ingest,
    Compute,
    Maintenance,
}

impl Queue {
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Compute, Self::Maintenance];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Compute => "compute",
            Self::Maintenance => "maintenance",
        }
    }

    /// Jobs of this queue that one worker process runs at a time: one ingest (it fans out by itself), two computations
    /// (the machine the defaults are for has two cores), maintenance is waiting on the database.
    pub fn default_concurrency(self) -> usize {
        match self {
            Self::Ingest => 1,
            Self::Compute => 2,
            Self::Maintenance => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_own_word() {
        for kind in JobKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!("recommendations".parse(), Ok(JobKind::Similar));
        assert_eq!("mine-bitcoin".parse::<JobKind>(), Err(UnknownJob));
    }

    #[test]
    fn every_artifact_has_one_job_which_is_a_step_of_all() {
        for artifact in Artifact::ALL {
            let jobs: Vec<_> = JobKind::ALL.into_iter().filter(|kind| kind.artifact() == Some(artifact)).collect();
            assert_eq!(jobs.len(), 1, "{artifact:?}");
            assert_eq!(JobKind::of(artifact), jobs[0]);
            assert!(JobKind::COMPUTE_STEPS.contains(&jobs[0]), "{artifact:?}");
        }
    }
}
