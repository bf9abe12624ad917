//! The commands, one file each.

pub(crate) mod admin_key;
pub(crate) mod dead_letters;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod enqueue;
pub(crate) mod import;
pub(crate) mod jobs;
pub(crate) mod migrate;
pub(crate) mod recommender;
pub(crate) mod search;
pub(crate) mod simulate;

use std::process::ExitCode;

/// The result of a command. An error is printed as one line, with exit code 1.
pub(crate) type CommandResult = Result<ExitCode, Box<dyn std::error::Error>>;
