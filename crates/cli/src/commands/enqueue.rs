//! `moviemetric enqueue`

use std::process::ExitCode;
use std::time::Duration;

use domain::JobId;
use domain::ingest::IngestMode;
use domain::jobs::{JobKind, JobPayload, JobStatus};
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::jobs::{self, Job, NewJob};

use super::CommandResult;
use crate::settings_for;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// ingest, trending, genre-stats, ratings-by-decade, similar, event-stats, sentiment, trends,
    /// genre-analytics, actor-collaboration, predictions, search-index, compute-all, collect-runs,
    /// refresh-popular, probe
    kind: JobKind,
    /// Wait until the job has ended, showing its progress; exit 1 if it did not succeed
    #[arg(long)]
    wait: bool,
    /// ingest: auto, full or changes
    #[arg(long, value_parser = mode)]
    mode: Option<IngestMode>,
    /// compute jobs: publish even a run that is suspiciously small
    #[arg(long)]
    force: bool,
    /// Enqueueing again with the same key finds the first job
    #[arg(long)]
    idempotency_key: Option<String>,
}

fn mode(text: &str) -> Result<IngestMode, String> {
    serde_json::from_value(text.into()).map_err(|_| "must be auto, full or changes".to_owned())
}

pub(crate) async fn run(args: Args) -> CommandResult {
    let pool = settings_for::database().await?;
    let new = NewJob {
        payload: JobPayload { mode: args.mode, force: args.force, hold_ms: None },
        idempotency_key: args.idempotency_key,
        ..NewJob::of(args.kind, "cli")
    };
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

/// Follows a job to its end.
async fn wait(pool: &PgPool, id: JobId) -> Result<Job, Box<dyn std::error::Error>> {
    let bar = ProgressBar::new(1).with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    let mut conn = pool.acquire().await?;
    loop {
        let job = jobs::get(&mut conn, id).await?.ok_or(StorageError::Corrupt(format!("job {id} is gone")))?;
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
