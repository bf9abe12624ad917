//! `moviemetric jobs`: lists jobs, or shows one.

use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use domain::JobId;
use domain::jobs::{JobKind, JobStatus};
use domain::page::Page;
use storage::postgres::jobs::{self, Job, JobFilter};

use super::CommandResult;
use crate::settings_for;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show only this job
    id: Option<JobId>,
    /// Show only jobs of this kind
    #[arg(long, value_parser = job_kinds())]
    kind: Option<JobKind>,
    /// Show only jobs with this status: queued, running, retrying, succeeded, failed or cancelled
    #[arg(long)]
    status: Option<JobStatus>,
}

/// Parses a job kind by name or alias; `--help` lists all of them with descriptions.
pub(crate) fn job_kinds() -> impl TypedValueParser<Value = JobKind> {
    let kinds = JobKind::ALL.map(|kind| {
        let definition = kind.definition();
        PossibleValue::new(definition.name).aliases(definition.aliases).help(definition.summary)
    });
    PossibleValuesParser::new(kinds).try_map(|name| name.parse::<JobKind>())
}

/// Formats a job as one line.
pub(crate) fn describe(job: &Job) -> String {
    let progress = job.total.map_or_else(String::new, |total| format!(" {}/{total}", job.done));
    let end = match (&job.error, &job.result) {
        (Some(error), _) => format!(" — {error}"),
        (None, Some(result)) => format!(" — {result}"),
        (None, None) => String::new(),
    };
    format!(
        "{} {:<17} {:<9} {}{progress} attempt {} by {}{end}",
        job.id,
        job.kind.as_str(),
        job.status.as_str(),
        job.created_at.format("%Y-%m-%d %H:%M:%S"),
        job.attempts,
        job.requested_by,
    )
}

pub(crate) async fn run(args: Args) -> CommandResult {
    let pool = settings_for::database().await?;
    if let Some(id) = args.id {
        let job = jobs::get(&mut *pool.acquire().await?, id).await?.ok_or(format!("there is no job {id}"))?;
        println!("{}", describe(&job));
        return Ok(ExitCode::SUCCESS);
    }
    let filter = JobFilter { kind: args.kind, status: args.status };
    let (page, total) = jobs::list(&pool, &filter, Page::default()).await?;
    page.iter().for_each(|job| println!("{}", describe(job)));
    println!("{} of {total} jobs, newest first", page.len());
    Ok(ExitCode::SUCCESS)
}
