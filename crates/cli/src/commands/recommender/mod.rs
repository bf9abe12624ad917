//! `moviemetric recommender`: trains, evaluates and asks models on plain files, without a database.

mod content;
mod data;
mod evaluate;
mod export;
mod grids;
mod model;
mod protocol;
mod recommend;
mod studies;
mod train;
mod tune;

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use super::CommandResult;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Train implicit ALS and write the model to a directory
    Train(train::Args),
    /// Compare algorithms on a data set: settings chosen on validation, then tested with intervals
    Evaluate(evaluate::Args),
    /// Choose the settings of ALS on validation splits; prints the command to train with
    Tune(tune::Args),
    /// Print recommendations of a trained model
    Recommend(recommend::Args),
    /// Write a model's vectors as one .npy or CSV file
    Export(export::Args),
}

pub(crate) fn run(args: Args) -> CommandResult {
    match args.command {
        Command::Train(args) => train::run(&args)?,
        Command::Evaluate(args) => evaluate::run(&args)?,
        Command::Tune(args) => tune::run(&args)?,
        Command::Recommend(args) => recommend::run(&args)?,
        Command::Export(args) => export::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A bar on standard error with the time left.
fn bar(what: &'static str) -> Result<ProgressBar, indicatif::style::TemplateError> {
    let style = ProgressStyle::with_template("{msg:24} {bar:40} {human_pos}/{human_len}, {eta} left")?;
    Ok(ProgressBar::new(0).with_style(style).with_message(what))
}

/// Shows the progress of a computation in `bar`.
fn shown(bar: &ProgressBar) -> impl Fn(u64, u64) + Sync {
    move |done, total| {
        bar.set_length(total);
        bar.set_position(bar.position().max(done));
    }
}
