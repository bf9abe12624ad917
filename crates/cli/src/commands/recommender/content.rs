//! What MovieLens items are about: genres and decade, and TMDB's keywords, people and language where a dump is at hand.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fs;
use std::path::Path;

use chrono::{Datelike, NaiveDate};
use domain::ingest::Record;
use domain::movies::{Credits, Movie};
use recommender::{Interactions, Rows};
use sources::dumps::{self, DumpFormat};

/// Cast members used a movie.
const CAST: usize = 5;

/// A feature of fewer items teaches nothing about the others.
const ITEMS_MIN: usize = 5;

/// One row of features an item, for the items with these MovieLens numbers.
///
/// # Errors
/// `movielens` lacks movies.csv or links.csv, or `tmdb` is no tmdb-5000 dump.
pub(super) fn content(movielens: &Path, tmdb: Option<&Path>, items: &[String]) -> Result<Rows, Box<dyn Error>> {
    let mut features: HashMap<i64, BTreeSet<String>> = HashMap::new();
    let mut read = |format, directory: &Path| -> Result<(), Box<dyn Error>> {
        for record in dumps::open(format, directory, NaiveDate::default())? {
            match record? {
                Record::Movie(movie) | Record::Stub(movie) => {
                    of_movie(&movie, features.entry(movie.id.get()).or_default())
                }
                Record::Credits(id, credits) => of_credits(&credits, features.entry(id.get()).or_default()),
                // Ratings come after all movies.
                Record::Rating(_) => break,
                _ => {}
            }
        }
        Ok(())
    };
    read(DumpFormat::Movielens, movielens)?;
    tmdb.map_or(Ok(()), |tmdb| read(DumpFormat::Tmdb5000, tmdb))?;
    let path = movielens.join("links.csv");
    let links = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let links: HashMap<&str, i64> = links
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(',');
            Some((fields.next()?, fields.nth(1)?.trim().parse().ok()?))
        })
        .collect();
    let of = |item: &String| features.get(links.get(item.as_str())?);
    let mut counts: HashMap<&str, usize> = HashMap::new();
    items.iter().filter_map(of).flatten().for_each(|feature| *counts.entry(feature.as_str()).or_default() += 1);
    let mut kept: Vec<&str> = counts.into_iter().filter(|pair| pair.1 >= ITEMS_MIN).map(|pair| pair.0).collect();
    kept.sort_unstable();
    let ordinals: HashMap<&str, u32> = kept.iter().copied().zip(0..).collect();
    let pairs = items.iter().zip(0..).flat_map(|(item, row)| {
        let known = of(item).into_iter().flatten().filter_map(|feature| ordinals.get(feature.as_str()));
        known.map(move |&feature| (row, feature)).collect::<Vec<_>>()
    });
    Ok(Interactions::likes(pairs, items.len(), kept.len()).viewers().clone())
}

fn of_movie(movie: &Movie, features: &mut BTreeSet<String>) {
    features.extend(movie.genres.iter().map(|genre| format!("genre {genre}")));
    features.extend(movie.keywords.iter().map(|keyword| format!("keyword {keyword}")));
    features.extend(movie.release_date.map(|date| format!("decade {}", date.year() / 10)));
    features.extend(movie.original_language.iter().map(|language| format!("language {language}")));
    of_credits(&movie.credits, features);
}

fn of_credits(credits: &Credits, features: &mut BTreeSet<String>) {
    features.extend(credits.cast.iter().take(CAST).map(|member| format!("cast {}", member.person.id)));
    features.extend(credits.directors.iter().map(|person| format!("director {}", person.id)));
}
