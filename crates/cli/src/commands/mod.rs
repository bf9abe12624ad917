//! One file a command.

pub(crate) mod admin_key;
pub(crate) mod dead_letters;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod enqueue;
pub(crate) mod import;
pub(crate) mod jobs;
pub(crate) mod migrate;
pub(crate) mod simulate;

use std::process::ExitCode;

/// What a command comes to; an error is printed as one line, exit 1.
pub(crate) type CommandResult = Result<ExitCode, Box<dyn std::error::Error>>;
