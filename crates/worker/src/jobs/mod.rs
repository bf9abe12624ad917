//! The jobs' work: one file per kind, named as the job. [`Run::run`] is an adapter; the work is a plain, idempotent
//! function with explicit arguments. A kind's definition is in `domain::jobs`.

mod actor_collaboration;
mod chain;
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
mod publish;
mod ratings_by_decade;
mod refresh_popular;
mod search_index;
mod sentiment;
mod similar;
mod tmdb;
mod train_model;
mod train_recommender;
mod trending;
mod trends;

use domain::jobs::{JobKind, JobType, from_ledger};
use futures::future::BoxFuture;
use serde_json::Value;

use crate::{JobContext, JobError, Shared};

/// Execution of a kind of job.
trait Run: JobType {
    /// Executes the job and returns its result.
    ///
    /// # Errors
    /// [`JobError`], whose variant decides whether the job is retried.
    fn run(self, shared: &Shared, context: &JobContext) -> impl Future<Output = Result<Value, JobError>> + Send;
}

/// Generates the dispatch. If a kind of the registry is missing from the list, it does not compile.
macro_rules! runners {
    ($($Job:ident),* $(,)?) => {
        /// Executes a job or a step with the ledger's payload, and returns its result.
        pub(crate) fn run<'a>(
            kind: JobKind,
            payload: Value,
            shared: &'a Shared,
            context: &'a JobContext,
        ) -> BoxFuture<'a, Result<Value, JobError>> {
            match kind {
                $(JobKind::$Job => Box::pin(run_as::<domain::jobs::$Job>(payload, shared, context)),)*
            }
        }
    };
}

runners! {
    Ingest,
    RefreshPopular,
    Trending,
    GenreStats,
    RatingsByDecade,
    Similar,
    EventStats,
    Sentiment,
    Trends,
    GenreAnalytics,
    ActorCollaboration,
    Predictions,
    SearchIndex,
    ComputeAll,
    TrainModel,
    EvaluateModel,
    PromoteModel,
    GenerateRecommendations,
    TrainRecommender,
    CollectRuns,
    Probe,
}

async fn run_as<J: Run>(payload: Value, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
    from_ledger::<J>(payload)?.run(shared, context).await
}
