//! Selects the run that answers a question about an artifact.

use chrono::NaiveDate;
use domain::artifacts::Artifact;
use storage::postgres::artifacts::{self, Head};

use crate::{QueryError, Reader};

impl Reader {
    /// Returns the published run or, with `as_of`, the newest run that contains no later day's facts. A run's rows
    /// never change, so later reads by its id are consistent even if another run is published meanwhile.
    ///
    /// # Errors
    /// No run was ever published, or every kept run (about a week of them) is newer than `as_of`.
    pub(crate) async fn run(&self, artifact: Artifact, as_of: Option<NaiveDate>) -> Result<Head, QueryError> {
        match as_of {
            Some(day) => self.run_as_of(artifact, "as_of", day).await,
            None => artifacts::head(&self.pool, artifact).await?.ok_or(QueryError::NotComputed { artifact }),
        }
    }

    /// Like [`Reader::run`], for a day that the question's `field` names.
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
