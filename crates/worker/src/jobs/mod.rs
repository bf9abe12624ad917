//! What jobs do: one file a kind, named as the job is. [`Run::run`] is an adapter; the work is a plain function of
//! explicit arguments that may run twice. What is known about a kind beforehand is its definition, in `domain::jobs`.

mod actor_collaboration;
mod chain;
mod collect_runs;
mod compute_all;
mod event_stats;
mod genre_analytics;
mod genre_stats;
mod ingest;
mod predictions;
mod probe;
mod publish;
mod ratings_by_decade;
mod refresh_popular;
mod search_index;
mod sentiment;
mod similar;
mod tmdb;
mod trending;
mod trends;

use domain::jobs::{JobKind, JobType, from_ledger};
use futures::future::BoxFuture;
use serde_json::Value;

use crate::{JobContext, JobError, Shared};

/// How a kind of job runs.
trait Run: JobType {
    /// Does the work; answers the job's result.
    ///
    /// # Errors
    /// The type says whether another attempt makes sense.
    fn run(self, shared: &Shared, context: &JobContext) -> impl Future<Output = Result<Value, JobError>> + Send;
}

/// Makes the dispatch. A kind of the registry that is not listed does not compile.
macro_rules! runners {
    ($($Job:ident),* $(,)?) => {
        /// Runs a job, or a step of one, with the payload that the ledger holds; answers its result.
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
    CollectRuns,
    Probe,
}

async fn run_as<J: Run>(payload: Value, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
    from_ledger::<J>(payload)?.run(shared, context).await
}
