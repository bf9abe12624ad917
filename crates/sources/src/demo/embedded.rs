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
use crate::film;

/// Facts about well-known films; lists are separated by `|`, an empty budget or revenue is unknown.
const FILE: &str = "data/demo_films.csv";
const CONTENT: &str = include_str!("../../../../data/demo_films.csv");

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

/// The real films of the demo world, in the order of the file, and rows that are none.
pub(super) struct Embedded {
    pub films: Vec<Movie>,
    pub aside: Vec<Record>,
}

/// Number of real films in the demo world.
pub fn embedded_films() -> u64 {
    embedded().films.len() as u64
}

pub(super) fn embedded() -> &'static Embedded {
    static EMBEDDED: LazyLock<Embedded> = LazyLock::new(|| {
        let mut embedded = Embedded { films: Vec::new(), aside: Vec::new() };
        if let Err(e) = read(&mut embedded) {
            embedded.aside.push(Record::Quarantined(Quarantined::new(FILE, None, e.to_string(), "")));
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
            Row::Fields(fields) => match film_of(&fields) {
                Ok(film) => embedded.films.push(film),
                Err(defect) => embedded.aside.push(file.aside(Some(defect.field), defect.reason)),
            },
        }
    }
}

fn film_of(fields: &[String]) -> Result<Movie, film::Defect> {
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
    let mut movie = film::movie(&body)?;
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
    fn every_row_of_the_file_is_a_film_of_its_own() {
        let Embedded { films, aside } = embedded();
        assert!(aside.is_empty(), "{aside:?}");
        assert_eq!(films.len(), CONTENT.lines().count() - 1);
        assert!(films.len() >= 300);
        assert_eq!(films.iter().map(|film| film.id).collect::<HashSet<_>>().len(), films.len());
        for film in films {
            assert!(film.release_date.is_some() && film.runtime.is_some(), "{film:?}");
            assert!(!film.genres.is_empty() && !film.credits.directors.is_empty() && !film.credits.cast.is_empty());
        }
    }

    #[test]
    fn no_two_names_share_an_id() {
        let mut names: HashMap<PersonId, &str> = HashMap::new();
        for film in &embedded().films {
            let cast = film.credits.cast.iter().map(|member| &member.person);
            for person in cast.chain(&film.credits.directors) {
                let known = names.entry(person.id).or_insert(&person.name);
                assert_eq!(*known, person.name, "{}", person.id);
            }
        }
        assert!(names.len() > 500);
    }
}
