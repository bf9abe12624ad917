use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;

use chrono::NaiveDate;
use domain::MovieId;
use domain::genre_stats::canonical;
use domain::ingest::Record;
use domain::movies::Movie;

use super::csv_file::{CsvFile, Row};
use super::lines::{Line, Lines, decode};
use super::ratings::RatingsFile;
use super::title;
use super::{DumpProgress, Reader};
use crate::SourceError;
use crate::lenient::clean;
use crate::movie::distinct;

const HOLDS: &str = "a movielens directory holds movies.csv, links.csv and ratings.csv (ml-latest), or movies.dat and ratings.dat (ml-1m)";

/// Bounds for a stub's texts, in bytes.
const MAX_TITLE: usize = 500;
const MAX_GENRES: usize = 20;

/// MovieLens' numbers stay in six digits; one beyond this would leave the range kept for them.
const MAX_NUMBER: i64 = 1_000_000_000;

/// MovieLens: movies as stubs, then ratings. A movie has a title, a year (stored as the first of January, which
/// groups into the right year and decade) and genres. Tags are left out: they are viewers' notes, and as keywords they
/// would replace better ones.
pub(super) struct Movielens {
    links: Option<Box<CsvFile>>,
    movies: Option<Movies>,
    ratings: RatingsFile,
    linked: HashMap<i64, Link>,
    /// Our id by MovieLens' number, for every movie read.
    numbered: HashMap<i64, MovieId>,
    taken: HashSet<MovieId>,
}

struct Link {
    tmdb: Option<MovieId>,
    imdb: Option<String>,
}

/// The file of movies: CSV, or `.dat` with `::` and no quoting.
enum Movies {
    Csv(Box<CsvFile>),
    Dat(Lines, Line),
}

impl Movielens {
    pub(super) fn open(dir: &Path, progress: &mut DumpProgress) -> Result<Self, SourceError> {
        let dat = dir.join("movies.dat");
        let (links, movies, ratings) = if dat.exists() && !dir.join("movies.csv").exists() {
            let movies = Movies::Dat(Lines::open(dat, HOLDS, progress)?, Line::default());
            (None, movies, RatingsFile::dat(dir.join("ratings.dat"), HOLDS, progress)?)
        } else {
            let movies = CsvFile::open(dir.join("movies.csv"), &["movieId", "title", "genres"], HOLDS, progress)?;
            let links = CsvFile::open(dir.join("links.csv"), &["movieId", "tmdbId", "imdbId"], HOLDS, progress)?;
            (
                Some(Box::new(links)),
                Movies::Csv(Box::new(movies)),
                RatingsFile::csv(dir.join("ratings.csv"), HOLDS, progress)?,
            )
        };
        let (linked, numbered, taken) = (HashMap::new(), HashMap::new(), HashSet::new());
        Ok(Self { links, movies: Some(movies), ratings, linked, numbered, taken })
    }

    fn link(&mut self, fields: &[String]) -> Result<(), (&'static str, &'static str)> {
        let [number, tmdb, imdb] = fields else { return Err(("movieId", "is missing")) };
        let number = number_of(number)?;
        let tmdb = match tmdb.trim() {
            "" => None,
            text => Some(text.parse().map_err(|_| ("tmdbId", "must be a whole number from 1 up"))?),
        };
        let imdb = imdb.trim();
        let digits = !imdb.is_empty() && imdb.len() <= 12 && imdb.bytes().all(|b| b.is_ascii_digit());
        self.linked.insert(number, Link { tmdb, imdb: digits.then(|| format!("tt{imdb}")) });
        Ok(())
    }

    fn movie(&mut self, fields: &[&str]) -> Result<Record, (&'static str, &'static str)> {
        let &[number, raw, genres] = fields else { return Err(("movieId", "does not have 3 columns")) };
        let number = number_of(number)?;
        let raw = clean(raw, MAX_TITLE).ok_or(("title", "must not be empty"))?;
        if self.numbered.contains_key(&number) {
            return Err(("movieId", "is the number of an earlier row"));
        }
        let link = self.linked.get(&number);
        let id = link.and_then(|link| link.tmdb).map_or_else(|| MovieId::new(MovieId::MOVIELENS_BASE + number), Ok);
        let id = id.map_err(|_| ("movieId", "is too large"))?;
        // Also where the movie itself is a duplicate: its ratings are about the movie that has the id.
        self.numbered.insert(number, id);
        if !self.taken.insert(id) {
            return Err(("tmdbId", "is the movie of an earlier row; its ratings count for that one"));
        }
        let title = title::parse(&raw);
        Ok(Record::Stub(Box::new(Movie {
            original_title: title.original,
            release_date: title.year.and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1)),
            imdb_id: link.and_then(|link| link.imdb.clone()),
            genres: distinct(genres.split('|').filter_map(canonical), MAX_GENRES),
            ..Movie::titled(id, title.title)
        })))
    }

    /// The next row of the movies' file; `false` at its end.
    fn next_movie(&mut self, movies: &mut Movies, records: &mut VecDeque<Record>) -> Result<bool, SourceError> {
        let record = match movies {
            Movies::Csv(file) => match file.next()? {
                Row::End => return Ok(false),
                Row::Aside(aside) => aside,
                Row::Fields(fields) => {
                    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                    self.movie(&fields).unwrap_or_else(|(field, reason)| file.aside(Some(field), reason))
                }
            },
            Movies::Dat(lines, line) => {
                if !lines.next(line)? {
                    return Ok(false);
                }
                let row = decode(&line.bytes);
                let fields: Vec<&str> = row.split("::").collect();
                self.movie(&fields).unwrap_or_else(|(field, reason)| lines.aside(line, Some(field), reason))
            }
        };
        records.push_back(record);
        Ok(true)
    }
}

impl Reader for Movielens {
    fn step(&mut self, records: &mut VecDeque<Record>) -> Result<bool, SourceError> {
        if let Some(mut links) = self.links.take() {
            match links.next()? {
                Row::End => return Ok(true),
                Row::Aside(aside) => records.push_back(aside),
                Row::Fields(fields) => {
                    if let Err((field, reason)) = self.link(&fields) {
                        records.push_back(links.aside(Some(field), reason));
                    }
                }
            }
            self.links = Some(links);
            return Ok(true);
        }
        if let Some(mut movies) = self.movies.take() {
            if self.next_movie(&mut movies, records)? {
                self.movies = Some(movies);
            }
            return Ok(true);
        }
        let record = self.ratings.next(|number| self.numbered.get(&number).copied())?;
        let more = record.is_some();
        records.extend(record);
        Ok(more)
    }
}

fn number_of(text: &str) -> Result<i64, (&'static str, &'static str)> {
    let number = text.trim().parse().ok().filter(|number| (1..=MAX_NUMBER).contains(number));
    number.ok_or(("movieId", "must be a whole number from 1 to 1000000000"))
}
