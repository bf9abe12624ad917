//! `moviemetric migrate`: brings the schema up to date.

use std::process::ExitCode;

use super::CommandResult;
use crate::settings_for;

pub(crate) async fn run() -> CommandResult {
    let pool = settings_for::database().await?;
    let pending = storage::postgres::health::migrations_pending(&pool).await?;
    storage::MIGRATOR.run(&pool).await?;
    println!("schema up to date; {pending} migrations applied now");
    let rewritten = storage::postgres::catalogue::search::upgrade(&pool).await?;
    if rewritten > 0 {
        println!("{rewritten} search rows rewritten in the form of this version");
    }
    Ok(ExitCode::SUCCESS)
}
