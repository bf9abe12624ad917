//! `moviemetric admin-key`

use std::process::ExitCode;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::CommandResult;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Prints a new key of 244 random bits (two version 4 UUIDs). A plain SHA-256 is enough to store it, because it cannot
/// be guessed.
pub(crate) fn run() -> CommandResult {
    let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    println!("key={key}\nsha256={}", hex(&Sha256::digest(key.as_bytes())));
    Ok(ExitCode::SUCCESS)
}
