//! Jobs: the kinds of work that the worker runs, each kind defined once.
//!
//! A kind is one file here, named as the job: its payload type with its [`Definition`] (queue, time limit, schedule
//! line, artifact, triggers). The list at the end of this file is the registry, which API, CLI, scheduler and worker
//! read. A new kind is a file, its `mod` line and its line of the list here, and its `run` in the worker likewise.

mod chain;
mod definition;
mod kind;
mod payload;
mod policy;
mod queue;
mod status;

mod actor_collaboration;
mod collect_runs;
mod compute_all;
mod evaluate_model;
mod event_stats;
mod generate_recommendations;
mod genre_analytics;
mod genre_stats;
mod ingest;
mod predictions;
mod probe;
mod promote_model;
mod ratings_by_decade;
mod refresh_popular;
mod search_index;
mod sentiment;
mod similar;
mod train_model;
mod train_recommender;
mod trending;
mod trends;

pub use actor_collaboration::ActorCollaboration;
pub use collect_runs::CollectRuns;
pub use compute_all::ComputeAll;
pub use evaluate_model::EvaluateModel;
pub use event_stats::EventStats;
pub use generate_recommendations::GenerateRecommendations;
pub use genre_analytics::GenreAnalytics;
pub use genre_stats::GenreStats;
pub use ingest::Ingest;
pub use predictions::Predictions;
pub use probe::Probe;
pub use promote_model::PromoteModel;
pub use ratings_by_decade::RatingsByDecade;
pub use refresh_popular::RefreshPopular;
pub use search_index::SearchIndex;
pub use sentiment::Sentiment;
pub use similar::Similar;
pub use train_model::TrainModel;
pub use train_recommender::TrainRecommender;
pub use trending::Trending;
pub use trends::Trends;

pub use chain::{Chain, Step};
pub use definition::{ArtifactSpec, Definition, JobType, Schedule, Table};
pub use kind::UnknownJob;
pub use payload::{PayloadError, from_ledger};
pub use policy::{BACKOFF_MAX, HEARTBEAT, LEASE, MAX_CRASHES, WAITING_POLL, backoff, eta_seconds};
pub use queue::Queue;
pub use status::JobStatus;

// The registry: `Payload`, or `Payload => Artifact` for a kind that publishes an artifact.
kind::registry! {
    Ingest,
    RefreshPopular,
    Trending => MovieTrendingDaily,
    GenreStats => GenreStatsDaily,
    RatingsByDecade => RatingsByDecade,
    Similar => SimilarMovies,
    EventStats => BatchStatsHourly,
    Sentiment => BatchSentimentHourly,
    Trends => TemporalTrends,
    GenreAnalytics => GenreAnalytics,
    ActorCollaboration => ActorCollaboration,
    Predictions => TrendPredictions,
    SearchIndex,
    ComputeAll,
    TrainModel,
    EvaluateModel,
    PromoteModel,
    GenerateRecommendations => BatchRecommendations,
    TrainRecommender,
    CollectRuns,
    Probe,
}

#[cfg(test)]
mod tests;
