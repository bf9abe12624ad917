use std::collections::{HashSet, VecDeque};
use std::path::Path;

use chrono::NaiveDate;
use domain::MovieId;
use domain::ingest::Record;
use serde_json::{Value, json};

use super::csv_file::CsvFile;
use super::movies::{ListsFile, MoviesFile};
use super::{DumpProgress, Reader};
use crate::SourceError;
use crate::movie;

const HOLDS: &str = "a tmdb-5000 directory holds tmdb_5000_movies.csv and tmdb_5000_credits.csv";

const MOVIE_COLUMNS: [&str; 16] = [
    "id",
    "title",
    "original_title",
    "original_language",
    "overview",
    "tagline",
    "status",
    "release_date",
    "runtime",
    "budget",
    "revenue",
    "popularity",
    "vote_average",
    "vote_count",
    "genres",
    "keywords",
];

const CREDITS_COLUMNS: [&str; 3] = ["movie_id", "cast", "crew"];

/// Kaggle "TMDB 5000": movies with their numbers, then credits; the lists in the cells are JSON.
pub(super) struct Tmdb5000 {
    movies: Option<MoviesFile>,
    credits: ListsFile,
    known: HashSet<MovieId>,
    credited: HashSet<MovieId>,
}

impl Tmdb5000 {
    pub(super) fn open(dir: &Path, day: NaiveDate, progress: &mut DumpProgress) -> Result<Self, SourceError> {
        let mut open = |name, columns: &[&str]| CsvFile::open(dir.join(name), columns, HOLDS, progress);
        let movies = open("tmdb_5000_movies.csv", &MOVIE_COLUMNS)?;
        let credits = open("tmdb_5000_credits.csv", &CREDITS_COLUMNS)?;
        Ok(Self {
            movies: Some(MoviesFile { file: movies, columns: &MOVIE_COLUMNS, cell: json_cell, day }),
            credits: ListsFile { file: credits, columns: &CREDITS_COLUMNS, cell: json_cell, record: credits_record },
            known: HashSet::new(),
            credited: HashSet::new(),
        })
    }
}

impl Reader for Tmdb5000 {
    fn step(&mut self, records: &mut VecDeque<Record>) -> Result<bool, SourceError> {
        if let Some(movies) = &mut self.movies {
            if !movies.step(&mut self.known, records)? {
                self.movies = None;
            }
            return Ok(true);
        }
        self.credits.step(&self.known, &mut self.credited, records)
    }
}

/// Cast, then crew.
pub(super) fn credits_record(id: MovieId, lists: Vec<Value>) -> Record {
    let mut lists = lists.into_iter();
    let body = json!({"cast": lists.next(), "crew": lists.next()});
    Record::Credits(id, movie::credits(&body))
}

fn json_cell(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("is no JSON: {e}"))
}
