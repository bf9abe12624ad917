//! Dump files as a source: read as a stream, a row at a time, whatever their size.
//!
//! A row that is wrong comes out as `Record::Quarantined` with file, line, field and reason, and reading goes on. Only
//! what concerns a whole file is a [`SourceError`]: it is missing, has another header, or the disk fails.

pub(crate) mod csv_file;
pub(crate) mod lines;
mod movielens;
mod movies;
mod movies_dataset;
mod python;
mod ratings;
mod title;
mod tmdb5000;

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::NaiveDate;
use domain::ingest::{Record, Source};

use crate::SourceError;

/// The dump formats that can be imported. The CLI uses their kebab-case names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpFormat {
    /// Kaggle "TMDB 5000 Movie Dataset": `tmdb_5000_movies.csv` and `tmdb_5000_credits.csv`.
    Tmdb5000,
    /// Kaggle "The Movies Dataset": `movies_metadata.csv` and, where present, `credits.csv`, `keywords.csv`,
    /// `ratings.csv` (else `ratings_small.csv`) with `links.csv` (else `links_small.csv`).
    MoviesDataset,
    /// GroupLens ml-latest, ml-25m, … (`movies.csv`, `links.csv`, `ratings.csv`) or ml-1m (`movies.dat`, `ratings.dat`).
    Movielens,
}

/// A text that names no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown format; known are {}", DumpFormat::ALL.map(DumpFormat::as_str).join(", "))]
pub struct UnknownFormat;

impl DumpFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Tmdb5000, Self::MoviesDataset, Self::Movielens];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        self.source().as_str()
    }

    /// The source under which its ratings and reviews are stored.
    pub fn source(self) -> Source {
        match self {
            Self::Tmdb5000 => Source::Tmdb5000,
            Self::MoviesDataset => Source::MoviesDataset,
            Self::Movielens => Source::Movielens,
        }
    }
}

impl fmt::Display for DumpFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DumpFormat {
    type Err = UnknownFormat;
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(UnknownFormat)
    }
}

/// How far a dump has been read, for a progress bar in another thread.
#[derive(Debug, Clone, Default)]
pub struct DumpProgress {
    read: Arc<AtomicU64>,
    total: u64,
}

impl DumpProgress {
    /// Bytes read so far; a little ahead of the records handed out, by what is buffered.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of all the files together.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// A dump being read: movies first, then what refers to them. Blocking; run it off the async threads.
///
/// After an `Err` there is nothing more.
pub struct Dump {
    reader: Option<Box<dyn Reader + Send>>,
    ready: VecDeque<Record>,
    progress: DumpProgress,
}

/// A format's reader over its files, in order.
trait Reader {
    /// Reads one row and pushes what it holds; `false` at the end.
    fn step(&mut self, records: &mut VecDeque<Record>) -> Result<bool, SourceError>;
}

/// Opens all files of a dump and checks their headers; `day` dates the snapshot of each movie's numbers.
///
/// # Errors
/// A file that the format needs is missing, or is another file under that name.
pub fn open(format: DumpFormat, dir: &Path, day: NaiveDate) -> Result<Dump, SourceError> {
    let mut progress = DumpProgress::default();
    let reader: Box<dyn Reader + Send> = match format {
        DumpFormat::Tmdb5000 => Box::new(tmdb5000::Tmdb5000::open(dir, day, &mut progress)?),
        DumpFormat::MoviesDataset => Box::new(movies_dataset::MoviesDataset::open(dir, day, &mut progress)?),
        DumpFormat::Movielens => Box::new(movielens::Movielens::open(dir, &mut progress)?),
    };
    Ok(Dump { reader: Some(reader), ready: VecDeque::new(), progress })
}

impl Dump {
    /// A handle that stays valid while the dump is read elsewhere.
    pub fn progress(&self) -> DumpProgress {
        self.progress.clone()
    }
}

impl Iterator for Dump {
    type Item = Result<Record, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            match self.reader.as_mut()?.step(&mut self.ready) {
                Ok(true) => {}
                Ok(false) => self.reader = None,
                Err(e) => {
                    self.reader = None;
                    return Some(Err(e));
                }
            }
        }
    }
}

impl fmt::Debug for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dump").field("progress", &self.progress).finish_non_exhaustive()
    }
}
