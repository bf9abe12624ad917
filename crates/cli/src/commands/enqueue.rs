//! `moviemetric enqueue`

use std::process::ExitCode;
use std::time::Duration;

use domain::JobId;
use domain::jobs::{JobKind, JobStatus, PayloadError};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::jobs::{self, Job, NewJob};

use super::CommandResult;
use super::jobs::job_kinds;
use crate::settings_for;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The job to enqueue
    #[arg(value_parser = job_kinds())]
    kind: JobKind,
    /// Wait until the job has ended and show its progress; exit 1 if it did not succeed
    #[arg(long)]
    wait: bool,
    /// Only for ingest: auto, full or changes
    #[arg(long)]
    mode: Option<String>,
    /// Only for jobs that publish: publish a run even if it is suspiciously small
    #[arg(long)]
    force: bool,
    /// Any option of the job, with its value as JSON or plain text; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = option)]
    option: Vec<(String, Value)>,
    /// A repeated call with the same key returns the first job
    #[arg(long)]
    idempotency_key: Option<String>,
}

fn option(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

impl Args {
    /// Converts the options into the payload that the job's definition requires.
    fn payload(&self) -> Result<Value, PayloadError> {
        let mode = self.mode.iter().map(|mode| ("mode".to_owned(), mode.as_str().into()));
        let force = self.force.then(|| ("force".to_owned(), true.into()));
        self.kind.payload(&Value::Object(mode.chain(force).chain(self.option.iter().cloned()).collect()))
    }
}

pub(crate) async fn run(args: Args) -> CommandResult {
    let payload = args.payload().map_err(|error| format!("{} does not accept these options: {error}", args.kind))?;
    let pool = settings_for::database().await?;
    let new = NewJob { payload, idempotency_key: args.idempotency_key, ..NewJob::of(args.kind, "cli") };
    let (job, created) = jobs::enqueue(&mut *pool.acquire().await?, new).await?;
    eprintln!("{} {} {}", if created { "enqueued" } else { "found" }, job.kind, job.id);
    if !args.wait {
        println!("{}", job.id);
        return Ok(ExitCode::SUCCESS);
    }
    let job = wait(&pool, job.id).await?;
    println!("{}", super::jobs::describe(&job));
    Ok(if job.status == JobStatus::Succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Follows a job until it ends.
async fn wait(pool: &PgPool, id: JobId) -> Result<Job, Box<dyn std::error::Error>> {
    let bar = ProgressBar::new(1).with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    let mut conn = pool.acquire().await?;
    loop {
        let job = jobs::get(&mut conn, id).await?.ok_or(StorageError::Vanished(format!("job {id}")))?;
        bar.set_length(u64::try_from(job.total.unwrap_or(1)).unwrap_or(1));
        bar.set_position(u64::try_from(job.done).unwrap_or(0));
        bar.set_message(format!("{} {}", job.status.as_str(), job.phase.as_deref().unwrap_or("")));
        if job.status.is_final() {
            bar.finish_and_clear();
            return Ok(job);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
