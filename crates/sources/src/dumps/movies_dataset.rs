use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use domain::MovieId;
use domain::ingest::Record;
use serde_json::Value;

use super::csv_file::{CsvFile, Row};
use super::movies::{ListsFile, MoviesFile};
use super::ratings::RatingsFile;
use super::tmdb5000::credits_record;
use super::{DumpProgress, Reader, python};
use crate::SourceError;
use crate::movie;

const HOLDS: &str = "a movies-dataset directory holds movies_metadata.csv and, where they are wanted, credits.csv, \
    keywords.csv, and ratings.csv with links.csv (or ratings_small.csv with links_small.csv)";

const MOVIE_COLUMNS: [&str; 17] = [
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
    "imdb_id",
    "poster_path",
];

const CREDITS_COLUMNS: [&str; 3] = ["id", "cast", "crew"];
const KEYWORDS_COLUMNS: [&str; 2] = ["id", "keywords"];
const LINKS_COLUMNS: [&str; 2] = ["movieId", "tmdbId"];

/// Kaggle "The Movies Dataset": movies, credits, keywords, ratings. The lists in the cells are Python literals, ids come
/// twice, and some rows are broken in two. Ratings know movies by MovieLens' number, links translate.
pub(super) struct MoviesDataset {
    stages: VecDeque<Stage>,
    known: HashSet<MovieId>,
    /// TMDB's id by MovieLens' number; 46,000 of them.
    linked: HashMap<i64, MovieId>,
}

enum Stage {
    Movies(MoviesFile),
    Lists(ListsFile, HashSet<MovieId>),
    Links(CsvFile),
    Ratings(RatingsFile),
}

impl MoviesDataset {
    pub(super) fn open(dir: &Path, day: NaiveDate, progress: &mut DumpProgress) -> Result<Self, SourceError> {
        let movies = CsvFile::open(dir.join("movies_metadata.csv"), &MOVIE_COLUMNS, HOLDS, progress)?;
        let movies = MoviesFile { file: movies, columns: &MOVIE_COLUMNS, cell: python::literal, day };
        let mut stages = VecDeque::from([Stage::Movies(movies)]);
        stages.extend(lists(dir, "credits.csv", &CREDITS_COLUMNS, credits_record, progress)?);
        stages.extend(lists(dir, "keywords.csv", &KEYWORDS_COLUMNS, keywords_record, progress)?);
        if let Some(path) = first_present(dir, &["ratings.csv", "ratings_small.csv"]) {
            // Without links a rating's movie is unknown, so the missing links are the error.
            let names = ["links.csv", "links_small.csv"];
            let links = first_present(dir, &names).unwrap_or_else(|| dir.join(names[0]));
            stages.push_back(Stage::Links(CsvFile::open(links, &LINKS_COLUMNS, HOLDS, progress)?));
            stages.push_back(Stage::Ratings(RatingsFile::csv(path, HOLDS, progress)?));
        }
        Ok(Self { stages, known: HashSet::new(), linked: HashMap::new() })
    }
}

impl Reader for MoviesDataset {
    fn step(&mut self, records: &mut VecDeque<Record>) -> Result<bool, SourceError> {
        let Some(stage) = self.stages.front_mut() else { return Ok(false) };
        let more = match stage {
            Stage::Movies(movies) => movies.step(&mut self.known, records)?,
            Stage::Lists(lists, done) => lists.step(&self.known, done, records)?,
            Stage::Links(links) => link(links, &mut self.linked, records)?,
            Stage::Ratings(ratings) => {
                let movie = |id| self.linked.get(&id).copied().filter(|id| self.known.contains(id));
                let record = ratings.next(movie)?;
                let more = record.is_some();
                records.extend(record);
                more
            }
        };
        if !more {
            self.stages.pop_front();
        }
        Ok(true)
    }
}

/// The stage of a file of lists, where the directory has it.
fn lists(
    dir: &Path,
    name: &str,
    columns: &'static [&'static str],
    record: fn(MovieId, Vec<Value>) -> Record,
    progress: &mut DumpProgress,
) -> Result<Option<Stage>, SourceError> {
    let Some(path) = first_present(dir, &[name]) else {
        tracing::warn!(file = name, "not in the directory, so movies come in without it");
        return Ok(None);
    };
    let file = CsvFile::open(path, columns, HOLDS, progress)?;
    Ok(Some(Stage::Lists(ListsFile { file, cell: python::literal, record, columns }, HashSet::new())))
}

/// Reads one link. A movie without a TMDB id is no error: TMDB lacks some.
fn link(
    links: &mut CsvFile,
    linked: &mut HashMap<i64, MovieId>,
    records: &mut VecDeque<Record>,
) -> Result<bool, SourceError> {
    match links.next()? {
        Row::End => return Ok(false),
        Row::Aside(aside) => records.push_back(aside),
        Row::Fields(fields) if fields[1].trim().is_empty() => {}
        Row::Fields(fields) => match (fields[0].trim().parse(), movie::movie_id(&Value::String(fields[1].clone()))) {
            (Ok(number), Ok(id)) => drop(linked.insert(number, id)),
            (Err(_), _) => records.push_back(links.aside(Some("movieId"), "must be a whole number")),
            (_, Err(defect)) => records.push_back(links.aside(Some("tmdbId"), defect.reason)),
        },
    }
    Ok(true)
}

fn keywords_record(id: MovieId, lists: Vec<Value>) -> Record {
    Record::Keywords(id, lists.first().map(movie::keywords).unwrap_or_default())
}

fn first_present(dir: &Path, names: &[&str]) -> Option<PathBuf> {
    names.iter().map(|name| dir.join(name)).find(|path| path.exists())
}
