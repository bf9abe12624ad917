//! History that viewers bring along from other services: its movies are looked up, and its facts applied like all facts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::Datelike;
use domain::MovieId;
use domain::events::{Event, MovieNames, MovieRef};
use domain::history::{Entry, History, NamedMovie, Unreadable};
use domain::search::fold;
use domain::viewers::ViewerName;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::catalogue::{aliases, known, movie_id};
use super::speed::{self, MicroBatch};
use crate::StorageError;

/// Facts in one transaction.
const CHUNK: usize = 1_000;

/// Keys looked up in one statement.
const KEYS: usize = 5_000;

/// Unmatched movies that a report lists; the rest is counted.
pub const UNMATCHED_MAX: usize = 500;

/// Unmatched titles for which like ones are searched: some milliseconds each.
const CANDIDATES_FOR: usize = 100;

/// Like titles of an unmatched one.
const CANDIDATES: i32 = 3;

/// Years by which two services may date one movie differently: premieres and releases.
const YEARS_APART: i32 = 1;

/// A movie that an unmatched title may mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub movie_id: i64,
    pub title: String,
    pub year: Option<i32>,
}

/// A movie of the export that is not in the catalogue, or not clearly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmatched {
    /// Where the export names it first.
    pub place: String,
    /// The id, or title and year.
    pub movie: String,
    pub reason: String,
    pub candidates: Vec<Candidate>,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Entries whose movie was found.
    pub matched: u64,
    /// Of these, facts that are new; the others were imported before.
    pub added: u64,
    /// Entries whose movie was not found.
    pub unmatched: u64,
    /// The movies of these, at most [`UNMATCHED_MAX`].
    pub unmatched_movies: Vec<Unmatched>,
    /// Entries that could not be used.
    pub unreadable: Vec<Unreadable>,
}

/// Imports a history as the viewer's. Idempotent: facts have ids that follow from their content. Facts of any age are
/// applied; hours that a batch run covers are reopened by them.
pub async fn import(pool: &PgPool, viewer: &ViewerName, history: History) -> Result<Imported, StorageError> {
    let History { entries, mut unreadable } = history;
    unreadable.truncate(UNMATCHED_MAX);
    let mut report = Imported { unreadable, ..Imported::default() };
    let found = look_up(pool, &entries).await?;
    let mut events: Vec<Event> = Vec::new();
    let mut missing: BTreeMap<String, &Entry> = BTreeMap::new();
    for entry in &entries {
        match found.get(&entry.movie) {
            Some(movie) => events.push(entry.event(viewer, *movie)),
            None => {
                report.unmatched += 1;
                missing.entry(named(&entry.movie)).or_insert(entry);
            }
        }
    }
    report.matched = events.len() as u64;
    for chunk in events.chunks(CHUNK) {
        let batch = MicroBatch { events: chunk.to_vec(), reviews: Vec::new() };
        report.added += speed::apply(pool, &batch).await?.events;
    }
    for (at, (movie, entry)) in missing.into_iter().take(UNMATCHED_MAX).enumerate() {
        let (reason, candidates) = match &entry.movie {
            NamedMovie::Title { title, .. } if at < CANDIDATES_FOR => {
                ("no movie of the catalogue has this title within a year, or several have", alike(pool, title).await?)
            }
            NamedMovie::Title { .. } => {
                ("no movie of the catalogue has this title within a year, or several have", Vec::new())
            }
            NamedMovie::Ref(_) => ("the catalogue has no movie of this id", Vec::new()),
        };
        let (place, reason) = (entry.place.clone(), reason.to_owned());
        report.unmatched_movies.push(Unmatched { place, movie, reason, candidates });
    }
    Ok(report)
}

/// The movie's name for people.
fn named(movie: &NamedMovie) -> String {
    match movie {
        NamedMovie::Ref(id) => id.to_string(),
        NamedMovie::Title { title, year: Some(year) } => format!("{title} ({year})"),
        NamedMovie::Title { title, year: None } => title.clone(),
    }
}

async fn look_up<'a>(pool: &PgPool, entries: &'a [Entry]) -> Result<HashMap<&'a NamedMovie, MovieId>, StorageError> {
    let movies: HashSet<&NamedMovie> = entries.iter().map(|entry| &entry.movie).collect();
    let mut found = by_id(pool, &movies).await?;
    let mut titles: BTreeSet<String> = BTreeSet::new();
    for movie in &movies {
        if let NamedMovie::Title { title, .. } = movie {
            titles.insert(fold(title));
        }
    }
    let titled = by_title(pool, titles.into_iter().filter(|key| !key.is_empty()).collect()).await?;
    for movie in movies {
        let NamedMovie::Title { title, year } = movie else { continue };
        if let Some(id) = titled.get(&fold(title)).and_then(|candidates| best(candidates, *year)) {
            found.insert(movie, movie_id(id)?);
        }
    }
    Ok(found)
}

/// The movies of these that are named by id and in the catalogue.
async fn by_id<'a>(
    pool: &PgPool,
    movies: &HashSet<&'a NamedMovie>,
) -> Result<HashMap<&'a NamedMovie, MovieId>, StorageError> {
    let refs = || {
        movies.iter().filter_map(|movie| match movie {
            NamedMovie::Ref(id) => Some((*movie, id)),
            NamedMovie::Title { .. } => None,
        })
    };
    let mut names: Vec<Box<str>> = refs().filter_map(|(_, id)| id.name().map(Into::into)).collect();
    names.sort_unstable();
    let names: MovieNames = aliases::resolve(pool, &names).await?;
    let id = |id: &MovieRef| match id {
        MovieRef::Id(id) => Some(*id),
        other => names.get(other.name()?).copied(),
    };
    let found: HashMap<&NamedMovie, MovieId> = refs().filter_map(|(movie, named)| Some((movie, id(named)?))).collect();
    let ids: Vec<i64> = found.values().map(|id| id.get()).collect();
    let known = known(&mut *pool.acquire().await?, &ids).await?;
    Ok(found.into_iter().filter(|(_, id)| known.contains(&id.get())).collect())
}

/// Movies whose title, or original title, has one of these folded forms.
async fn by_title(pool: &PgPool, keys: Vec<String>) -> Result<HashMap<String, Vec<Candidate>>, StorageError> {
    let mut found: HashMap<String, Vec<Candidate>> = HashMap::new();
    for keys in keys.chunks(KEYS) {
        let rows = sqlx::query!(
            r#"SELECT k.key, m.movie_id, m.title, extract(year FROM m.release_date)::int AS year
               FROM movie_search_keys k JOIN movies m USING (movie_id)
               WHERE k.key = ANY($1) AND k.kind = 0 AND m.tombstoned_at IS NULL"#,
            keys,
        )
        .fetch_all(pool)
        .await?;
        for row in rows {
            let candidate = Candidate { movie_id: row.movie_id, title: row.title, year: row.year };
            found.entry(row.key).or_default().push(candidate);
        }
    }
    Ok(found)
}

/// The one movie that is meant: of the same year, else the only one within [`YEARS_APART`]. Without a year, the only one
/// of the title.
fn best(candidates: &[Candidate], year: Option<i32>) -> Option<i64> {
    let only = |far: i32| {
        let near = |c: &&Candidate| match year {
            Some(year) => c.year.is_some_and(|other| (other - year).abs() <= far),
            None => true,
        };
        let mut near = candidates.iter().filter(near);
        let first = near.next()?;
        near.next().is_none().then_some(first.movie_id)
    };
    only(0).or_else(|| only(YEARS_APART))
}

/// Movies with like titles, the most alike first.
async fn alike(pool: &PgPool, title: &str) -> Result<Vec<Candidate>, StorageError> {
    let rows = sqlx::query!(
        r#"SELECT m.movie_id, m.title, m.release_date
           FROM titles_alike($1, $2) AS a JOIN movies m ON m.movie_id = a.movie_id
           WHERE m.tombstoned_at IS NULL ORDER BY a.likeness DESC, m.movie_id"#,
        fold(title),
        CANDIDATES,
    )
    .fetch_all(pool)
    .await?;
    let year = |date: chrono::NaiveDate| date.year();
    Ok(rows
        .into_iter()
        .map(|row| Candidate { movie_id: row.movie_id, title: row.title, year: row.release_date.map(year) })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_titles_the_year_decides_and_two_are_none() {
        let movie = |movie_id, year| Candidate { movie_id, title: "Heat".to_owned(), year };
        let movies = [movie(1, Some(1972)), movie(2, Some(1995)), movie(3, Some(1996)), movie(4, None)];
        assert_eq!(best(&movies, Some(1995)), Some(2));
        assert_eq!(best(&movies, Some(1971)), Some(1));
        assert_eq!(best(&movies, Some(1994)), Some(2));
        assert_eq!(best(&movies, Some(1998)), None);
        assert_eq!(best(&movies, None), None, "several");
        assert_eq!(best(&movies[..1], None), Some(1));
        assert_eq!(best(&[movie(1, Some(1994)), movie(2, Some(1996))], Some(1995)), None, "two as near");
    }
}
