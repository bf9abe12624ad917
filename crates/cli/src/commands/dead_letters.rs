//! `moviemetric dead-letters`: lists them, and puts them into the event log again.

use std::process::ExitCode;

use domain::events::Fact;
use domain::page::Page;
use settings::{Env, EventLogSettings, RedisSettings, load_or_exit};
use sqlx::PgPool;
use storage::event_log::{self, AppendError, EventLogConfig, EventSink};
use storage::postgres::facts::dead_letters::{self, DeadLetter};

use super::CommandResult;
use crate::settings_for;

/// Letters appended to the log at a time.
const CHUNK: i64 = 500;

/// Most characters of a payload in its line.
const PAYLOAD_CHARS_MAX: usize = 160;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// The newest of them, each with the reason
    List,
    /// Put them into the event log again; those that it has are no longer dead letters
    Replay(Which),
}

#[derive(clap::Args)]
#[group(required = true)]
struct Which {
    /// This one alone
    #[arg(long)]
    id: Option<i64>,
    /// Every one there is now
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(args: Args) -> CommandResult {
    let pool = settings_for::database().await?;
    match args.command {
        Command::List => list(&pool).await,
        Command::Replay(which) => {
            let (redis, log) = load_or_exit(|env: &Env| Ok((RedisSettings::load(env)?, EventLogSettings::load(env)?)));
            let (url, capacity) = (log.url(&redis).clone(), log.capacity);
            let log = event_log::open(&EventLogConfig { url, prefix: redis.prefix, capacity })?;
            replay(&pool, &*log, which.id).await
        }
    }
}

async fn list(pool: &PgPool) -> CommandResult {
    let (letters, total) = dead_letters::page(pool, Page::default()).await?;
    for DeadLetter { dead_letter_id, reason, tries, created_at, payload, .. } in &letters {
        let at = created_at.format("%Y-%m-%d %H:%M:%S");
        let payload: String = payload.chars().take(PAYLOAD_CHARS_MAX).collect();
        println!("{dead_letter_id} {at} after {tries} tries: {reason} — {payload}");
    }
    println!("{} of {total} dead letters, newest first", letters.len());
    Ok(ExitCode::SUCCESS)
}

/// Appends letters to the log, then deletes them: a process that dies in between replays them once more, and readers drop
/// duplicates. Letters that come back meanwhile have new ids, which this run leaves alone, or it would never end.
async fn replay(pool: &PgPool, log: &(impl EventSink + ?Sized), only: Option<i64>) -> CommandResult {
    let (mut after, until) = match only {
        Some(id) => (id.saturating_sub(1), id),
        None => (0, dead_letters::newest(pool).await?),
    };
    let (mut replayed, mut unreadable) = (0, Vec::new());
    loop {
        let letters = dead_letters::between(pool, after, until, CHUNK).await?;
        let Some(last) = letters.last() else { break };
        after = last.dead_letter_id;
        let (mut ids, mut facts) = (Vec::new(), Vec::<Fact>::new());
        for letter in letters {
            match serde_json::from_str(&letter.payload) {
                Ok(fact) => {
                    ids.push(letter.dead_letter_id);
                    facts.push(fact);
                }
                Err(_) => unreadable.push(letter.dead_letter_id),
            }
        }
        log.append(&facts).await.map_err(|error| match error {
            AppendError::Full => {
                format!("the event log is full after {replayed} letters; wait until the worker has caught up")
            }
            AppendError::Unavailable(error) => {
                format!("{error}; is the server running, and is EVENT_LOG_URL or REDIS_URL right?")
            }
        })?;
        dead_letters::delete(pool, &ids).await?;
        replayed += ids.len();
    }
    match only {
        Some(id) if replayed == 0 && unreadable.is_empty() => {
            return Err(format!("there is no dead letter {id}").into());
        }
        _ => println!("{replayed} replayed; what fails again comes back as a new dead letter"),
    }
    if !unreadable.is_empty() {
        println!("left, because they are no events: {unreadable:?}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
