use std::io::Cursor;
use std::path::PathBuf;
use std::sync::LazyLock;

use domain::PersonId;
use domain::ingest::{Quarantined, Record};
use domain::movies::{CastMember, Credits, MAX_CAST, Movie, Person};
use serde_json::{Value, json};

use super::dice::hash_text;
use crate::SourceError;
use crate::dumps::DumpProgress;
use crate::dumps::csv_file::{CsvFile, Row};
use crate::dumps::lines::Lines;
use crate::movie;

/// Facts about well-known movies; lists are separated by `|`, an empty budget or revenue is unknown.
const FILE: &str = "data/demo_movies.csv";
const CONTENT: &str = include_str!("../../../../data/demo_movies.csv");

/// Original titles of those whose title is a translation.
const TITLES_FILE: &str = "data/demo_original_titles.csv";
const TITLES: &str = include_str!("../../../../data/demo_original_titles.csv");

const COLUMNS: [&str; 11] = [
    "movie_id",
    "title",
    "release_date",
    "genres",
    "runtime",
    "language",
    "directors",
    "cast",
    "keywords",
    "budget",
    "revenue",
];

/// The file has names and no ids; people get theirs from here up, by hash of the name, so that editing the file moves
/// nobody's id. Far above TMDB's own.
const PEOPLE_BASE: i64 = 9_000_000_000;
const PEOPLE_RANGE: u64 = 1_000_000_000;

/// The real movies of the demo world, in the order of the file, and rows that are none.
pub(super) struct Embedded {
    pub movies: Vec<Movie>,
    pub aside: Vec<Record>,
}

/// Number of real movies in the demo world.
pub fn embedded_movies() -> u64 {
    embedded().movies.len() as u64
}

pub(super) fn embedded() -> &'static Embedded {
    static EMBEDDED: LazyLock<Embedded> = LazyLock::new(|| {
        let mut embedded = Embedded { movies: Vec::new(), aside: Vec::new() };
        if let Err(e) = read(&mut embedded) {
            embedded.aside.push(Record::Quarantined(Quarantined::new(FILE, None, e.to_string(), "")));
        }
        if let Err(e) = read_original_titles(&mut embedded) {
            embedded.aside.push(Record::Quarantined(Quarantined::new(TITLES_FILE, None, e.to_string(), "")));
        }
        embedded
    });
    &EMBEDDED
}

fn read(embedded: &mut Embedded) -> Result<(), SourceError> {
    let lines = Lines::new(PathBuf::from(FILE), Box::new(Cursor::new(CONTENT)), &DumpProgress::default());
    let mut file = CsvFile::new(lines, &COLUMNS)?;
    loop {
        match file.next()? {
            Row::End => return Ok(()),
            Row::Aside(aside) => embedded.aside.push(aside),
            Row::Fields(fields) => match movie_of(&fields) {
                Ok(movie) => embedded.movies.push(movie),
                Err(defect) => embedded.aside.push(file.aside(Some(defect.field), defect.reason)),
            },
        }
    }
}

fn read_original_titles(embedded: &mut Embedded) -> Result<(), SourceError> {
    let lines = Lines::new(PathBuf::from(TITLES_FILE), Box::new(Cursor::new(TITLES)), &DumpProgress::default());
    let mut file = CsvFile::new(lines, &["movie_id", "original_title"])?;
    loop {
        match file.next()? {
            Row::End => return Ok(()),
            Row::Aside(aside) => embedded.aside.push(aside),
            Row::Fields(fields) => match embedded.movies.iter_mut().find(|movie| movie.id.to_string() == fields[0]) {
                Some(movie) => movie.original_title = Some(fields[1].clone()),
                None => embedded.aside.push(file.aside(Some("movie_id"), "not a movie of the demo world")),
            },
        }
    }
}

fn movie_of(fields: &[String]) -> Result<Movie, movie::Defect> {
    let field = |name| COLUMNS.iter().position(|column| *column == name).map_or("", |at| fields[at].as_str());
    let names = |name| field(name).split('|').map(str::trim).filter(|text| !text.is_empty());
    let body = json!({
        "id": field("movie_id"), "title": field("title"), "release_date": field("release_date"),
        "runtime": field("runtime"), "original_language": field("language"), "budget": field("budget"),
        "revenue": field("revenue"), "status": "Released",
        "genres": names("genres").collect::<Value>(), "keywords": names("keywords").collect::<Value>(),
    });
    let directors: Vec<Person> = names("directors").filter_map(person).collect();
    let cast = names("cast").filter_map(person).take(MAX_CAST).zip(0..);
    let cast = cast.map(|(person, position)| CastMember { person, character: None, position }).collect();
    let mut movie = movie::movie(&body)?;
    movie.credits = Credits { cast, directors };
    movie.overview = super::words::overview(&movie);
    Ok(movie)
}

fn person(name: &str) -> Option<Person> {
    let id = PersonId::new(PEOPLE_BASE + (hash_text(name) % PEOPLE_RANGE) as i64).ok()?;
    Some(Person { id, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn every_row_of_the_file_is_a_movie_of_its_own() {
        let Embedded { movies, aside } = embedded();
        assert!(aside.is_empty(), "{aside:?}");
        assert_eq!(movies.len(), CONTENT.lines().count() - 1);
        assert!(movies.len() >= 300);
        assert_eq!(movies.iter().map(|movie| movie.id).collect::<HashSet<_>>().len(), movies.len());
        for movie in movies {
            assert!(movie.release_date.is_some() && movie.runtime.is_some(), "{movie:?}");
            assert!(!movie.genres.is_empty() && !movie.credits.directors.is_empty() && !movie.credits.cast.is_empty());
        }
    }

    #[test]
    fn no_two_names_share_an_id() {
        let mut names: HashMap<PersonId, &str> = HashMap::new();
        for movie in &embedded().movies {
            let cast = movie.credits.cast.iter().map(|member| &member.person);
            for person in cast.chain(&movie.credits.directors) {
                let known = names.entry(person.id).or_insert(&person.name);
                assert_eq!(*known, person.name, "{}", person.id);
            }
        }
        assert!(names.len() > 500);
    }
}
