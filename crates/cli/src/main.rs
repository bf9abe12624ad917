//! `moviemetric`: the command-line tool for people and scripts.

mod commands;
mod settings_for;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{admin_key, dead_letters, demo, doctor, enqueue, import, jobs, migrate, simulate};

/// Operate MovieMetric: schema, data, jobs, health. Settings come from the environment (README.md, "Settings").
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the database schema up to date
    Migrate,
    /// Load the demo world: well-known movies, sixty days of metrics, simulated viewers
    Demo(demo::Args),
    /// Import a data set's files
    Import(import::Args),
    /// Enqueue a job
    Enqueue(enqueue::Args),
    /// List jobs, or show one
    Jobs(jobs::Args),
    /// Play viewers against a running API: events and reviews at a steady rate
    Simulate(simulate::Args),
    /// List events that could not be counted, or hand them to the speed layer again
    DeadLetters(dead_letters::Args),
    /// Check every dependency and say what is wrong and how to mend it
    Doctor,
    /// Make an admin key: the key for clients, its hash for the API's setting ADMIN_API_KEY_SHA256
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
        Command::DeadLetters(args) => dead_letters::run(args).await,
        Command::Doctor => doctor::run().await,
        Command::AdminKey => admin_key::run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("moviemetric: {error}");
            ExitCode::FAILURE
        }
    }
}
