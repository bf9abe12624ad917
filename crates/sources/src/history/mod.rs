//! Exports of other services: what a viewer watched and rated there. Letterboxd's ZIP or single CSV files (titles and
//! years, no ids), Trakt's JSON, IMDb's CSV of ratings, and CSV files like MovieLens'. The format is told by the content.

mod table;
mod trakt;
mod zipped;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::clock::AHEAD_MAX;
use domain::history::{Did, Entry, History, NamedMovie, Unreadable};

/// Most entries of an export; the longest diaries have some ten thousand.
pub const ENTRIES_MAX: usize = 100_000;

/// Most bytes of an export after unpacking: a ZIP file may unpack to a thousand times its size.
pub const BYTES_MAX: u64 = 64 << 20;

/// Why an export cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("the file is larger than {} MiB when unpacked", BYTES_MAX >> 20)]
    TooLarge,
    #[error("the file has more than {ENTRIES_MAX} entries; split it")]
    TooMany,
    #[error("the ZIP file cannot be read: {0}")]
    Zip(#[from] zip::result::ZipError),
    #[error("the ZIP file has none of ratings.csv, diary.csv, watched.csv and likes/films.csv, and no JSON file")]
    NothingInZip,
    #[error("the JSON is not an export of Trakt's: {0}")]
    Json(#[from] serde_json::Error),
    #[error(
        "the CSV has none of the known sets of columns (IMDb: Const, Your Rating; Letterboxd: Name, Year; MovieLens: \
         movieId, rating); it has: {0}"
    )]
    Columns(String),
}

/// Reads an export; an entry that happens after `now` is unreadable.
///
/// # Errors
/// [`HistoryError`] if it is no export of a known format, or too large. Single bad entries are in
/// [`History::unreadable`].
pub fn read(bytes: &[u8], now: DateTime<Utc>) -> Result<History, HistoryError> {
    let mut reading = Reading { history: History::default(), now };
    if bytes.len() as u64 > BYTES_MAX {
        return Err(HistoryError::TooLarge);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        zipped::read(bytes, &mut reading)?;
    } else {
        reading.file("", bytes)?;
    }
    Ok(reading.history)
}

/// An export that is being read.
struct Reading {
    history: History,
    now: DateTime<Utc>,
}

impl Reading {
    /// Reads one file of an export.
    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), HistoryError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        match bytes.trim_ascii_start().first() {
            Some(b'[' | b'{') => trakt::read(name, bytes, self),
            _ => table::read(name, bytes, self),
        }
    }

    fn add(&mut self, place: &str, movie: NamedMovie, did: Did, at: DateTime<Utc>) -> Result<(), HistoryError> {
        if self.history.entries.len() + self.history.unreadable.len() >= ENTRIES_MAX {
            return Err(HistoryError::TooMany);
        }
        if at - self.now > AHEAD_MAX {
            return self.skip(place, "its date is in the future");
        }
        self.history.entries.push(Entry { place: place.to_owned(), movie, did, at });
        Ok(())
    }

    fn skip(&mut self, place: &str, reason: &str) -> Result<(), HistoryError> {
        if self.history.entries.len() + self.history.unreadable.len() >= ENTRIES_MAX {
            return Err(HistoryError::TooMany);
        }
        self.history.unreadable.push(Unreadable { place: place.to_owned(), reason: reason.to_owned() });
        Ok(())
    }
}

/// A date, a time with its zone, or seconds since 1970. A date alone is its first moment.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return DateTime::from_timestamp(seconds, 0);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests;
