use std::collections::{HashSet, VecDeque};
use std::path::Path;

use chrono::NaiveDate;
use domain::MovieId;
use domain::ingest::Record;
use serde_json::{Value, json};

use super::csv_file::CsvFile;
use super::films::{FilmsFile, ListsFile};
use super::{DumpProgress, Reader};
use crate::SourceError;
use crate::film;

const HOLDS: &str = "a tmdb-5000 directory holds tmdb_5000_movies.csv and tmdb_5000_credits.csv";

const FILM_COLUMNS: [&str; 16] = [
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

/// Kaggle "TMDB 5000": films with their numbers, then credits; the lists in the cells are JSON.
pub(super) struct Tmdb5000 {
    films: Option<FilmsFile>,
    credits: ListsFile,
    known: HashSet<MovieId>,
    credited: HashSet<MovieId>,
}

impl Tmdb5000 {
    pub(super) fn open(dir: &Path, day: NaiveDate, progress: &mut DumpProgress) -> Result<Self, SourceError> {
        let mut open = |name, columns: &[&str]| CsvFile::open(dir.join(name), columns, HOLDS, progress);
        let films = open("tmdb_5000_movies.csv", &FILM_COLUMNS)?;
        let credits = open("tmdb_5000_credits.csv", &CREDITS_COLUMNS)?;
        Ok(Self {
            films: Some(FilmsFile { file: films, columns: &FILM_COLUMNS, cell: json_cell, day }),
            credits: ListsFile { file: credits, columns: &CREDITS_COLUMNS, cell: json_cell, record: credits_record },
            known: HashSet::new(),
            credited: HashSet::new(),
        })
    }
}

impl Reader for Tmdb5000 {
    fn step(&mut self, records: &mut VecDeque<Record>) -> Result<bool, SourceError> {
        if let Some(films) = &mut self.films {
            if !films.step(&mut self.known, records)? {
                self.films = None;
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
    Record::Credits(id, film::credits(&body))
}

fn json_cell(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("is no JSON: {e}"))
}
