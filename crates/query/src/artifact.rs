//! The run that answers a question about an artifact.

use chrono::NaiveDate;
use domain::artifacts::Artifact;
use storage::postgres::artifacts::{self, Head};

use crate::{QueryError, Reader};

impl Reader {
    /// The published run, or with `as_of` the newest run that has seen no facts of a later day. A run's rows do not
    /// change, so reading them by its id afterwards is consistent, whatever is published meanwhile.
    ///
    /// # Errors
    /// No run was ever published, or none of those kept (about a week of them) is old enough.
    pub(crate) async fn run(&self, artifact: Artifact, as_of: Option<NaiveDate>) -> Result<Head, QueryError> {
        match as_of {
            Some(day) => self.run_as_of(artifact, "as_of", day).await,
            None => artifacts::head(&self.pool, artifact).await?.ok_or(QueryError::NotComputed { artifact }),
        }
    }

    /// [`Reader::run`] of a day that the question's `field` names.
    pub(crate) async fn run_as_of(
        &self,
        artifact: Artifact,
        field: &'static str,
        day: NaiveDate,
    ) -> Result<Head, QueryError> {
        let run = artifacts::as_of(&self.pool, artifact, day).await?;
        run.ok_or_else(|| QueryError::NotFound { field, what: format!("run of {} as of {day}", artifact.as_str()) })
    }
}
