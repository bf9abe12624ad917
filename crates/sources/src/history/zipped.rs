//! Letterboxd's export as it is downloaded: a ZIP file with a CSV file for each kind of entry.

use std::io::{Cursor, Read};

use super::{BYTES_MAX, HistoryError, Reading};

/// The files that say what a viewer thinks of movies. Others have comments, lists and the profile.
const FILES: [&str; 4] = ["ratings.csv", "diary.csv", "watched.csv", "likes/films.csv"];

pub(super) fn read(bytes: &[u8], reading: &mut Reading) -> Result<(), HistoryError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))?;
    let (mut left, mut found) = (BYTES_MAX, false);
    for index in 0..archive.len() {
        let file = archive.by_index(index)?;
        let name = file.name()?.into_owned();
        // Deleted and orphaned entries are kept in directories under the same names.
        let is_ours = FILES.contains(&name.as_str()) || name.ends_with(".json");
        if !is_ours || !file.is_file() {
            continue;
        }
        found = true;
        let mut text = Vec::new();
        // One byte more than allowed: what the head says of the size may be wrong.
        file.take(left + 1).read_to_end(&mut text).map_err(zip::result::ZipError::from)?;
        left = left.checked_sub(text.len() as u64).ok_or(HistoryError::TooLarge)?;
        reading.file(&name, &text)?;
    }
    if found { Ok(()) } else { Err(HistoryError::NothingInZip) }
}
