//! `moviemetric dead-letters`: lists dead letters and replays them into the event log.

use std::process::ExitCode;

use domain::events::Fact;
use domain::page::Page;
use settings::{Env, EventLogSettings, RedisSettings, load_or_exit};
use sqlx::PgPool;
use storage::event_log::{self, AppendError, EventLogConfig, EventSink};
use storage::postgres::facts::dead_letters::{self, DeadLetter};

use super::CommandResult;
use crate::settings_for;

/// Number of dead letters read and appended at a time.
const CHUNK: i64 = 500;

/// Maximum number of characters of a payload in the list.
const PAYLOAD_CHARS_MAX: usize = 160;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the newest dead letters, each with its reason
    List,
    /// Append dead letters to the event log again, then delete them here
    Replay(Which),
}

#[derive(clap::Args)]
#[group(required = true)]
struct Which {
    /// Replay only this dead letter
    #[arg(long)]
    id: Option<i64>,
    /// Replay all current dead letters
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

/// Appends dead letters to the event log, then deletes them. If the process dies in between, the next replay appends
/// them again and readers drop the duplicates. Events that fail meanwhile become dead letters with new ids, which this
/// run ignores; otherwise it might never end.
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
        _ => println!("{replayed} replayed; events that fail again become new dead letters"),
    }
    if !unreadable.is_empty() {
        println!("not replayed, because they are not events: {unreadable:?}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
