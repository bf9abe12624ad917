use std::collections::{HashSet, VecDeque};

use chrono::NaiveDate;
use domain::MovieId;
use domain::ingest::Record;
use serde_json::{Map, Value};

use super::csv_file::{CsvFile, Row};
use crate::SourceError;
use crate::movie;

/// How a format writes the lists in its cells.
pub(super) type Cell = fn(&str) -> Result<Value, String>;

/// Columns of a file of movies that hold lists.
const LISTS: [&str; 2] = ["genres", "keywords"];

/// A file of movies whose columns are TMDB's fields.
pub(super) struct MoviesFile {
    pub file: CsvFile,
    pub columns: &'static [&'static str],
    pub cell: Cell,
    pub day: NaiveDate,
}

impl MoviesFile {
    /// Reads one movie and its numbers; the first readable row of an id wins. A list that cannot be read is kept aside, the movie goes on without it. `false` at the end.
    pub(super) fn step(
        &mut self,
        known: &mut HashSet<MovieId>,
        records: &mut VecDeque<Record>,
    ) -> Result<bool, SourceError> {
        let fields = match self.file.next()? {
            Row::End => return Ok(false),
            Row::Aside(aside) => {
                records.push_back(aside);
                return Ok(true);
            }
            Row::Fields(fields) => fields,
        };
        let mut body = Map::new();
        let mut unread = Vec::new();
        for (&column, text) in self.columns.iter().zip(fields) {
            let value = if LISTS.contains(&column) { list(&text, self.cell) } else { Ok(Value::String(text)) };
            match value {
                Ok(value) => drop(body.insert(column.to_owned(), value)),
                Err(reason) => unread.push(self.file.aside(Some(column), reason)),
            }
        }
        match movie::movie(&Value::Object(body)) {
            Err(defect) => records.push_back(self.file.aside(Some(defect.field), defect.reason)),
            Ok(movie) if !known.insert(movie.id) => {
                records.push_back(self.file.aside(Some("id"), "is the id of an earlier row"));
            }
            Ok(movie) => {
                let metrics = movie::metrics(&movie, self.day);
                records.extend([Record::Movie(Box::new(movie)), Record::Metrics(metrics)]);
                records.extend(unread);
            }
        }
        Ok(true)
    }
}

/// A file in which lists refer to movies: `id, list, list, ...`.
pub(super) struct ListsFile {
    pub file: CsvFile,
    pub cell: Cell,
    /// What the lists are: for one movie, in the order of the columns behind the id.
    pub record: fn(MovieId, Vec<Value>) -> Record,
    /// The columns, the id first.
    pub columns: &'static [&'static str],
}

impl ListsFile {
    /// Reads one row; `done` are the movies of this file so far. `false` at the end.
    pub(super) fn step(
        &mut self,
        known: &HashSet<MovieId>,
        done: &mut HashSet<MovieId>,
        records: &mut VecDeque<Record>,
    ) -> Result<bool, SourceError> {
        let record = match self.file.next()? {
            Row::End => return Ok(false),
            Row::Aside(aside) => aside,
            Row::Fields(fields) => match self.read(&fields, known, done) {
                Ok(record) => record,
                Err((field, reason)) => self.file.aside(Some(field), reason),
            },
        };
        records.push_back(record);
        Ok(true)
    }

    fn read(
        &self,
        fields: &[String],
        known: &HashSet<MovieId>,
        done: &mut HashSet<MovieId>,
    ) -> Result<Record, (&'static str, String)> {
        let mut cells = self.columns.iter().copied().zip(fields);
        let (name, id) = cells.next().ok_or(("id", "is missing".to_owned()))?;
        let id = movie::movie_id(&Value::String(id.clone())).map_err(|defect| (name, defect.reason.to_owned()))?;
        if !known.contains(&id) {
            return Err((name, "is no movie of this dump".to_owned()));
        }
        let lists = cells.map(|(name, text)| list(text, self.cell).map_err(|reason| (name, reason)));
        let lists = lists.collect::<Result<Vec<Value>, _>>()?;
        if done.insert(id) {
            Ok((self.record)(id, lists))
        } else {
            Err((name, "is the id of an earlier row".to_owned()))
        }
    }
}

fn list(text: &str, cell: Cell) -> Result<Value, String> {
    if text.trim().is_empty() { Ok(Value::Null) } else { cell(text) }
}
