use std::path::PathBuf;

use csv_core::{ReadRecordResult, Reader};
use domain::ingest::Record;

use super::DumpProgress;
use super::lines::{Line, Lines, MAX_LINE};
use crate::SourceError;

/// Lines that one record may span: reviews and plots have line breaks, but an unclosed quote must not swallow the rest
/// of the file.
const MAX_RECORD_LINES: usize = 1_000;

/// Columns that a record may have before it is not worth splitting further.
const MAX_COLUMNS: usize = 1_000;

/// A CSV file with a header, read by column name.
///
/// It resynchronises: a record with an unclosed quote, or with too many or too few columns, costs its first line only,
/// and reading goes on with the second.
pub(crate) struct CsvFile {
    lines: Lines,
    parser: Reader,
    header: Vec<String>,
    /// Where each wanted column stands.
    columns: Vec<usize>,
    record: Vec<Line>,
    fields: Vec<u8>,
    ends: Vec<usize>,
}

const UNCLOSED: &str = "a quote is opened and never closed";

/// What became of the next record.
enum Frame {
    /// Its number of columns.
    Complete(usize),
    Broken(&'static str),
    End,
}

/// What the next record is.
pub(crate) enum Row {
    /// The wanted columns, in the order wanted.
    Fields(Vec<String>),
    Aside(Record),
    End,
}

impl CsvFile {
    /// Opens a file of a dump.
    pub(super) fn open(
        path: PathBuf,
        wanted: &[&str],
        holds: &'static str,
        progress: &mut DumpProgress,
    ) -> Result<Self, SourceError> {
        Self::new(Lines::open(path, holds, progress)?, wanted)
    }

    /// Finds the `wanted` columns in the header, which is the first record.
    pub(crate) fn new(lines: Lines, wanted: &[&str]) -> Result<Self, SourceError> {
        let mut file = Self {
            lines,
            parser: Reader::new(),
            header: Vec::new(),
            columns: Vec::new(),
            record: Vec::new(),
            fields: vec![0; 4_096],
            ends: vec![0; MAX_COLUMNS],
        };
        let count = if let Frame::Complete(columns) = file.frame()? { columns } else { 0 };
        file.header = (0..count).map(|n| String::from_utf8_lossy(file.field(n)).trim().to_owned()).collect();
        for column in wanted {
            let found = file.header.iter().position(|name| name == column);
            let missing = || SourceError::WrongFile {
                file: file.lines.path().to_owned(),
                reason: format!("its header has no column \"{column}\""),
            };
            file.columns.push(found.ok_or_else(missing)?);
        }
        Ok(file)
    }

    pub(crate) fn next(&mut self) -> Result<Row, SourceError> {
        let count = match self.frame()? {
            Frame::Complete(columns) => columns,
            Frame::Broken(reason) => return Ok(self.give_up(reason)),
            Frame::End => return Ok(Row::End),
        };
        if count != self.header.len() {
            return Ok(self.give_up(format!("has {count} columns, not {}", self.header.len())));
        }
        let mut row = Vec::with_capacity(self.columns.len());
        for &column in &self.columns {
            match std::str::from_utf8(self.field(column)) {
                Ok(text) => row.push(text.to_owned()),
                Err(_) => return Ok(Row::Aside(self.aside(Some(&self.header[column]), "is not UTF-8"))),
            }
        }
        Ok(Row::Fields(row))
    }

    /// The record just read, as a quarantined one.
    pub(crate) fn aside(&self, field: Option<&str>, reason: impl Into<String>) -> Record {
        self.lines.aside(self.record.first().unwrap_or(&Line::default()), field, reason)
    }

    /// Keeps the record's first line aside and returns the others, which may well be records of their own.
    fn give_up(&mut self, reason: impl Into<String>) -> Row {
        let aside = self.aside(None, reason);
        self.lines.put_back(self.record.drain(1..));
        Row::Aside(aside)
    }

    /// Reads lines into `record` until it is complete, or until it is clear that it will not be.
    fn frame(&mut self) -> Result<Frame, SourceError> {
        self.parser.reset();
        let (mut bytes, mut columns) = (0, 0);
        let mut reuse = self.record.pop();
        self.record.clear();
        let mut size = 0;
        loop {
            let mut line = reuse.take().unwrap_or_default();
            if !self.lines.next(&mut line)? {
                return Ok(if self.record.is_empty() { Frame::End } else { Frame::Broken(UNCLOSED) });
            }
            if line.bytes.is_empty() && self.record.is_empty() {
                reuse = Some(line);
                continue;
            }
            size += line.bytes.len();
            let complete = self.feed(&line.bytes, &mut bytes, &mut columns);
            self.record.push(line);
            if size > MAX_LINE {
                return Ok(Frame::Broken("is longer than any row"));
            }
            if complete {
                return Ok(Frame::Complete(columns));
            }
            if columns >= MAX_COLUMNS {
                return Ok(Frame::Broken("has too many columns"));
            }
            if self.record.len() >= MAX_RECORD_LINES {
                return Ok(Frame::Broken(UNCLOSED));
            }
        }
    }

    /// Splits one more line; whether it ends the record.
    fn feed(&mut self, line: &[u8], bytes: &mut usize, columns: &mut usize) -> bool {
        for mut input in [line, b"\n"] {
            while !input.is_empty() {
                let (result, read, written, ended) =
                    self.parser.read_record(input, &mut self.fields[*bytes..], &mut self.ends[*columns..]);
                input = &input[read..];
                *bytes += written;
                *columns += ended;
                match result {
                    ReadRecordResult::Record => return true,
                    ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                    ReadRecordResult::OutputEndsFull => return false,
                    ReadRecordResult::InputEmpty | ReadRecordResult::End => break,
                }
            }
        }
        false
    }

    fn field(&self, column: usize) -> &[u8] {
        let start = if column == 0 { 0 } else { self.ends[column - 1] };
        &self.fields[start..self.ends[column]]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rows of a file: columns b and a, or why not and where.
    fn rows(content: &[u8]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        std::fs::write(&path, content).unwrap();
        let mut file = CsvFile::open(path, &["b", "a"], "", &mut DumpProgress::default()).unwrap();
        let mut rows = Vec::new();
        loop {
            rows.push(match file.next().unwrap() {
                Row::Fields(fields) => fields.join("|"),
                Row::Aside(Record::Quarantined(aside)) => format!("{} {}", aside.location, aside.reason),
                Row::Aside(other) => panic!("{other:?}"),
                Row::End => return rows,
            });
        }
    }

    #[test]
    fn quotes_line_breaks_and_blank_lines_are_read_as_csv_has_them() {
        let found = rows(b"a,b,c\r\n1,\"x,\"\"y\"\"\nz\",\r\n\r\n2,5\" disk,9\n");
        assert_eq!(found, ["x,\"y\"\nz|1", "5\" disk|2"]);
    }

    #[test]
    fn a_bad_row_costs_one_row() {
        let found = rows(b"a,b,c\n1,2\n3,4,5\n6,7,8,9\n\xff,1,2\n1,2,\xff\n");
        assert_eq!(
            found,
            ["x.csv:2 has 2 columns, not 3", "4|3", "x.csv:4 has 4 columns, not 3", "x.csv:5 is not UTF-8", "2|1"]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_its_line() {
        let mut content = b"a,b,c\n1,\"open,3\n".to_vec();
        for n in 0..2_000 {
            content.extend_from_slice(format!("{n},x,y\n").as_bytes());
        }
        let found = rows(&content);
        assert_eq!(found.len(), 2_001);
        assert_eq!(found[0], "x.csv:2 a quote is opened and never closed");
        assert_eq!((found[1].as_str(), found[2_000].as_str()), ("x|0", "x|1999"));
        assert_eq!(rows(b"a,b,c\n1,\"2,3\n4,5,6"), ["x.csv:2 a quote is opened and never closed", "5|4"]);
    }

    #[test]
    fn a_wrong_header_names_the_missing_column() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        for content in ["", "a,c\n1,2\n"] {
            std::fs::write(&path, content).unwrap();
            let error = CsvFile::open(path.clone(), &["a", "b"], "", &mut DumpProgress::default()).err().unwrap();
            assert!(matches!(&error, SourceError::WrongFile { .. }) && error.is_permanent(), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_kept_aside(content in prop::collection::vec(prop_oneof![
            Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..400)) {
            rows(&[b"a,b,c\n".as_slice(), &content].concat());
        }
    }
}
