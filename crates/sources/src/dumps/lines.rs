use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::ingest::{Quarantined, Record};

use super::DumpProgress;
use crate::SourceError;

/// Longest line kept whole. The longest real one (all credits of a movie) has under 300 KiB; past this it is not a row
/// but a binary file.
pub(super) const MAX_LINE: usize = 4 << 20;

/// Read from disk at a time.
const BUFFER: usize = 256 << 10;

/// The lines of a file, numbered from 1, bounded, and counted byte by byte.
pub(crate) struct Lines {
    reader: BufReader<Counted>,
    path: PathBuf,
    number: u64,
    returned: VecDeque<Line>,
}

/// A line without its end.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub number: u64,
    pub bytes: Vec<u8>,
    /// Whether the line went on past [`MAX_LINE`]; the rest is skipped.
    pub cut: bool,
}

struct Counted {
    source: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Lines {
    /// `holds` is what the error says about a directory in which the file is missing.
    pub(super) fn open(path: PathBuf, holds: &'static str, progress: &mut DumpProgress) -> Result<Self, SourceError> {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok(opened) => opened,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(SourceError::MissingFile { file: path, holds });
            }
            Err(source) => return Err(SourceError::Read { file: path, source }),
        };
        progress.total += metadata.len();
        Ok(Self::new(path, Box::new(file), progress))
    }

    /// The lines of what is already open; `path` names it in errors.
    pub(crate) fn new(path: PathBuf, source: Box<dyn Read + Send>, progress: &DumpProgress) -> Self {
        let reader = BufReader::with_capacity(BUFFER, Counted { source, read: progress.read.clone() });
        Self { reader, path, number: 0, returned: VecDeque::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next line into `line`, whose buffer is used again; `false` at the end of the file.
    pub(super) fn next(&mut self, line: &mut Line) -> Result<bool, SourceError> {
        if let Some(returned) = self.returned.pop_front() {
            *line = returned;
            return Ok(true);
        }
        line.bytes.clear();
        let failed = |source| SourceError::Read { file: self.path.clone(), source };
        let limit = MAX_LINE as u64 + 1;
        if (&mut self.reader).take(limit).read_until(b'\n', &mut line.bytes).map_err(failed)? == 0 {
            return Ok(false);
        }
        self.number += 1;
        line.number = self.number;
        line.cut = line.bytes.len() > MAX_LINE && !line.bytes.ends_with(b"\n");
        if line.cut {
            self.reader.skip_until(b'\n').map_err(failed)?;
        }
        if self.number == 1 && line.bytes.starts_with(b"\xEF\xBB\xBF") {
            line.bytes.drain(..3);
        }
        while line.bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.bytes.pop();
        }
        Ok(true)
    }

    /// Hands lines back, to be read again next.
    pub(super) fn put_back(&mut self, lines: impl DoubleEndedIterator<Item = Line>) {
        lines.rev().for_each(|line| self.returned.push_front(line));
    }

    /// That line as a quarantined record.
    pub(super) fn aside(&self, line: &Line, field: Option<&str>, reason: impl Into<String>) -> Record {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let start = &line.bytes[..line.bytes.len().min(domain::ingest::QUARANTINE_TEXT_MAX)];
        let location = format!("{name}:{}", line.number);
        Record::Quarantined(Quarantined::new(location, field, reason, &decode(start)))
    }
}

/// UTF-8, else ISO-8859-1: ml-1m is in the latter, later releases in the former, and hardly any text is both.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::mem::decode_latin1(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_bounded_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        let long = vec![b'x'; MAX_LINE + 10];
        std::fs::write(&path, [b"\xEF\xBB\xBFa\r\n".as_slice(), &long, b"\n\nlast"].concat()).unwrap();
        let mut progress = DumpProgress::default();
        let mut lines = Lines::open(path, "", &mut progress).unwrap();
        let mut line = Line::default();
        let mut found = Vec::new();
        while lines.next(&mut line).unwrap() {
            found.push((line.number, line.bytes.len(), line.cut));
        }
        assert_eq!(found, [(1, 1, false), (2, MAX_LINE + 1, true), (3, 0, false), (4, 4, false)]);
        assert_eq!(progress.read(), progress.total());
    }

    #[test]
    fn latin1_is_read_where_utf8_is_not() {
        assert_eq!(decode(b"Les Mis\xe9rables"), "Les Misérables");
        assert_eq!(decode("Misérables".as_bytes()), "Misérables");
    }
}
