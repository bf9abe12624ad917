//! `moviemetric`: the command-line tool for people and scripts.

mod commands;
mod settings_for;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{admin_key, dead_letters, demo, doctor, enqueue, import, jobs, migrate, recommender, search, simulate};

/// Operate MovieMetric: schema, data, jobs, health. Settings come from the environment (README.md, "Settings").
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Apply pending migrations to the database schema
    Migrate,
    /// Load the demo world: well-known movies, 60 days of metrics, simulated viewers
    Demo(demo::Args),
    /// Import the files of a data set
    Import(import::Args),
    /// Enqueue a job
    Enqueue(enqueue::Args),
    /// List jobs, or show one
    Jobs(jobs::Args),
    /// Simulate viewers of a running API: events and reviews at a steady rate
    Simulate(simulate::Args),
    /// Measure the search
    Search(search::Args),
    /// List events that could not be applied, or replay them
    DeadLetters(dead_letters::Args),
    /// Train, evaluate and ask recommenders on plain files; needs no database
    Recommender(recommender::Args),
    /// Check every dependency and say what is wrong and how to repair it
    Doctor,
    /// Generate an admin key: the key for clients, and its hash for the setting ADMIN_API_KEY_SHA256
    AdminKey,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Migrate => migrate::run().await,
        Command::Demo(args) => demo::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Enqueue(args) => enqueue::run(args).await,
        Command::Jobs(args) => jobs::run(args).await,
        Command::Simulate(args) => simulate::run(args).await,
        Command::Search(args) => search::run(args).await,
        Command::DeadLetters(args) => dead_letters::run(args).await,
        Command::Recommender(args) => recommender::run(args),
        Command::Doctor => doctor::run().await,
        Command::AdminKey => admin_key::run(),
    };
    match result {
        Ok(code) => code,
        // The reader has what it wanted, as `head`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("moviemetric: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
