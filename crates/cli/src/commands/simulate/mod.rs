//! `moviemetric simulate`: simulates viewers of a running API.
//!
//! The load generator is open-loop: each post has a due time, independent of the answers to earlier posts. If the API
//! slows down, latency grows and the rate stays.

mod api;
mod probe;
mod report;
mod send;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::events::EVENTS_MAX;
use indicatif::{ProgressBar, ProgressStyle};
use settings::shutdown;
use sources::demo::{Act, Audience};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::api::Api;
use self::report::Report;
use self::send::{Post, posts};
use super::CommandResult;

/// Maximum number of posts that are due and wait for a connection. If the API is too slow for the rate, further posts
/// are skipped and counted, so memory stays bounded.
const QUEUED_POSTS_MAX: usize = 1_000;

/// Number of posts per second if no batch size is given: low enough for any API, frequent enough to look live.
const POSTS_PER_SECOND: u32 = 20;

/// Maximum batch size that is chosen automatically.
const BATCH_CHOSEN_MAX: u32 = 100;

/// Maximum wait for outstanding answers after the run's time.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// The same after a signal.
const STOPPED_DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Interval of status lines in a run without a terminal.
const STATUS_INTERVAL: Duration = Duration::from_secs(600);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Events and reviews per second, for all viewers together
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Duration: 60s, 5m, 2h 30m; 0 or forever runs until Ctrl-C or SIGTERM
    #[arg(long = "for", default_value = "60s", value_parser = run_time)]
    run_for: RunTime,
    /// Events per post [default: those of a twentieth of a second, at most 100]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=EVENTS_MAX as i64))]
    batch: Option<u32>,
    /// Number of concurrent posts
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    connections: u16,
    /// Number of movies that viewers see: the most popular ones of the catalogue
    #[arg(long, alias = "films", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    movies: u32,
    /// Seed of the viewers; the same seed repeats the same actions with other times and ids
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// URL of the API
    #[arg(long, env = "API_URL", default_value = "http://127.0.0.1:8000")]
    api_url: Url,
    /// Also measure how soon an event appears in its movie's page: ten times a second, on movies that no viewer sees
    #[arg(long)]
    probe: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Duration of the run; `None` runs until a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RunTime(Option<Duration>);

fn run_time(text: &str) -> Result<RunTime, String> {
    if matches!(text, "0" | "forever") {
        return Ok(RunTime(None));
    }
    match humantime::parse_duration(text) {
        Ok(time) if time.is_zero() => Ok(RunTime(None)),
        Ok(time) => Ok(RunTime(Some(time))),
        Err(error) => Err(format!("{error}; write 60s, 5m or forever")),
    }
}

impl Args {
    fn batch(&self) -> u32 {
        self.batch.unwrap_or_else(|| (self.rate / POSTS_PER_SECOND).clamp(1, BATCH_CHOSEN_MAX))
    }

    /// Returns the number of actions in the whole run.
    fn total(&self) -> Option<u64> {
        self.run_for.0.map(|time| ((time.as_secs_f64() * f64::from(self.rate)) as u64).max(1))
    }
}

pub(crate) async fn run(args: Args) -> CommandResult {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    // From here on, Ctrl-C ends the run instead of the process.
    tokio::spawn(async move {
        if shutdown::requested().await.is_ok() {
            stopped.cancel();
        }
    });
    let api = Arc::new(Api::new(&args.api_url)?);
    let mut movies = api.movies(args.movies as usize).await?;
    let probes = if args.probe { movies.split_off(movies.len() - probe::movies(movies.len())?) } else { Vec::new() };
    let audience = Audience::new(args.seed, movies).ok_or(
        "the catalogue is empty, so there is nothing to watch; load it with `moviemetric demo` or `moviemetric import`",
    )?;

    let report = Arc::new(Report::new()?);
    let probing = args.probe.then(|| tokio::spawn(probe::run(api.clone(), probes, stop.clone())));
    let (queue, due) = mpsc::channel(QUEUED_POSTS_MAX);
    let sending = tokio::spawn(send::run(api, report.clone(), due, usize::from(args.connections)));
    let started = Instant::now();
    let handed_out = play(&args, audience, queue, &report, &stop).await?;
    let drain = if stop.is_cancelled() { STOPPED_DRAIN_TIMEOUT } else { DRAIN_TIMEOUT };
    let drained = tokio::time::timeout(drain, sending).await;
    let took = started.elapsed();
    let stopped = stop.is_cancelled();
    stop.cancel();
    let probes = match probing {
        Some(probing) => Some(probing.await??),
        None => None,
    };

    if drained.is_err() {
        eprintln!("some posts were not answered within {drain:?} after the end");
    }
    let summary = report.summary(handed_out, took, probes.as_ref());
    if args.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        print!("{summary}");
    }
    Ok(if summary.succeeded(stopped) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Queues posts when they are due, until the time is over or `stop` is cancelled. Returns the number of facts,
/// including those that were skipped.
async fn play(
    args: &Args,
    mut audience: impl Iterator<Item = Act>,
    queue: mpsc::Sender<Post>,
    report: &Report,
    stop: &CancellationToken,
) -> Result<u64, Box<dyn std::error::Error>> {
    let (total, batch) = (args.total(), u64::from(args.batch()));
    let bar = bar(total)?;
    let (watched, mut said) = (std::io::stderr().is_terminal(), Instant::now());
    let (started, mut played, mut handed_out) = (Instant::now(), 0, 0);
    while total.is_none_or(|total| played < total) {
        let due = started + Duration::from_secs_f64(played as f64 / f64::from(args.rate));
        tokio::select! {
            // Polled first, since a run that is behind its schedule never waits.
            biased;
            () = stop.cancelled() => break,
            () = sleep_until(due) => {}
        }
        let size = total.map_or(batch, |total| batch.min(total - played));
        let now = Utc::now();
        for post in posts(due, audience.by_ref().take(size as usize).map(|act| act.at(now))) {
            handed_out += post.len();
            if let Err(error) = queue.try_send(post) {
                report.skipped(error.into_inner().len());
            }
        }
        played += size;
        bar.set_position(played);
        bar.set_message(report.status());
        if !watched && said.elapsed() >= STATUS_INTERVAL {
            said = Instant::now();
            println!("{played} sent, {}", report.status());
        }
    }
    bar.finish_and_clear();
    Ok(handed_out)
}

fn bar(total: Option<u64>) -> Result<ProgressBar, indicatif::style::TemplateError> {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:40} {human_pos}/{human_len} ({per_sec}) {msg}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {human_pos} ({per_sec}) {msg}, for {elapsed}"),
    };
    Ok(bar.with_style(ProgressStyle::with_template(template)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_duration_or_for_ever() {
        assert_eq!(run_time("60s"), Ok(RunTime(Some(Duration::from_secs(60)))));
        assert_eq!(run_time("5m"), Ok(RunTime(Some(Duration::from_secs(300)))));
        for endless in ["0", "0s", "forever"] {
            assert_eq!(run_time(endless), Ok(RunTime(None)));
        }
        for bad in ["", "60", "soon", "-1s"] {
            assert!(run_time(bad).is_err_and(|text| text.contains("60s")), "{bad}");
        }
    }
}
