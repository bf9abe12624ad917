//! `moviemetric dead-letters`: lists dead letters, replays them into the event log, or discards them.

use std::process::ExitCode;

use domain::page::Page;
use settings::{Env, EventLogSettings, RedisSettings, load_or_exit};
use sqlx::PgPool;
use storage::event_log::{self, EventLogConfig, EventSink};
use storage::postgres::Which;
use storage::postgres::facts::dead_letters::{self, DeadLetter, ReplayError, Replayed};

use super::CommandResult;
use crate::settings_for;

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
    Replay(Chosen),
    /// Delete dead letters for good
    Discard(Chosen),
}

#[derive(clap::Args)]
#[group(required = true)]
struct Chosen {
    /// Only this dead letter
    #[arg(long)]
    id: Option<i64>,
    /// All current dead letters
    #[arg(long)]
    all: bool,
}

impl Chosen {
    fn which(self) -> Which {
        self.id.map_or(Which::All, |id| Which::Ids(vec![id]))
    }
}

pub(crate) async fn run(args: Args) -> CommandResult {
    let pool = settings_for::database().await?;
    match args.command {
        Command::List => list(&pool).await,
        Command::Discard(chosen) => discard(&pool, &chosen.which()).await,
        Command::Replay(chosen) => {
            let (redis, log) = load_or_exit(|env: &Env| Ok((RedisSettings::load(env)?, EventLogSettings::load(env)?)));
            let (url, capacity) = (log.url(&redis).clone(), log.capacity);
            let log = event_log::open(&EventLogConfig { url, prefix: redis.prefix, capacity })?;
            replay(&pool, &*log, &chosen.which()).await
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

async fn replay(pool: &PgPool, log: &(impl EventSink + ?Sized), which: &Which) -> CommandResult {
    let Replayed { replayed, unreadable } =
        dead_letters::replay(pool, log, which, i64::MAX).await.map_err(|error| {
            let hint = matches!(error, ReplayError::Away(_));
            format!(
                "{error}{}",
                if hint { "; is the server running, and is EVENT_LOG_URL or REDIS_URL right?" } else { "" }
            )
        })?;
    if let (Which::Ids(ids), 0, []) = (which, replayed, &unreadable[..]) {
        return Err(none_of(ids).into());
    }
    println!("{replayed} replayed; events that fail again become new dead letters");
    if !unreadable.is_empty() {
        println!("not replayed, because they are not events: {unreadable:?}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn discard(pool: &PgPool, which: &Which) -> CommandResult {
    let gone = dead_letters::discard(pool, which, i64::MAX).await?;
    if let (Which::Ids(ids), []) = (which, &gone[..]) {
        return Err(none_of(ids).into());
    }
    println!("{} discarded", gone.len());
    Ok(ExitCode::SUCCESS)
}

fn none_of(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("there is no dead letter {}", ids.join(", "))
}
