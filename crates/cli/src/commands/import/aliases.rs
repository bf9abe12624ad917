//! `moviemetric import aliases`: callers' own names of movies, from a CSV file.

use std::path::Path;
use std::process::ExitCode;

use domain::MovieId;
use domain::events::MovieRef;
use serde::Deserialize;
use storage::postgres::catalogue::aliases;

use crate::commands::CommandResult;
use crate::settings_for;

/// Aliases written in one statement; all of a file are in one transaction.
const CHUNK: usize = 10_000;

#[derive(Deserialize)]
struct Row {
    alias: String,
    movie_id: i64,
}

/// Defines all aliases of the file, or none: a bad row is an error that names its line.
pub(super) async fn run(path: &Path) -> CommandResult {
    let mut file = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let pool = settings_for::database().await?;
    let mut tx = pool.begin().await?;
    let (mut chunk, mut read, mut changed) = (Vec::new(), 0, 0);
    for row in file.deserialize() {
        let row: Row = row.map_err(|error| format!("{}: {error}", path.display()))?;
        read += 1;
        chunk.push(alias(row).map_err(|reason| format!("{}: alias {read}: {reason}", path.display()))?);
        if chunk.len() == CHUNK {
            changed += aliases::put(&mut tx, &chunk).await?;
            chunk.clear();
        }
    }
    changed += aliases::put(&mut tx, &chunk).await?;
    tx.commit().await?;
    println!("aliases: {read} read, {changed} new or changed; the API knows them within 5 seconds");
    Ok(ExitCode::SUCCESS)
}

fn alias(Row { alias, movie_id }: Row) -> Result<(Box<str>, MovieId), String> {
    let movie = MovieId::new(movie_id).map_err(|error| format!("movie_id {error}"))?;
    match alias.parse() {
        Ok(MovieRef::Alias(alias)) => Ok((alias, movie)),
        _ => Err("an alias has 1 to 128 visible characters and is neither a number nor an IMDb id".to_owned()),
    }
}
