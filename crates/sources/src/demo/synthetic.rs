//! Movies and people beyond the real ones: a function of the seed and a number counted from 1.
//!
//! A movie's cast and keywords come from around its own number, so a movie is the same in a small and a large demo world, a
//! person plays in a few dozen movies at most, and people grow with the movies while keywords grow with their root.

use chrono::NaiveDate;
use domain::movies::{CastMember, Credits, Movie, Person};
use domain::{MovieId, PersonId};

use super::dice::{About, Dice};
use super::words::{self, GENRES};

/// Actors, then directors, are numbered from here: below the people of the real movies, above TMDB's.
const ACTORS_BASE: i64 = 7_000_000_000;
const DIRECTORS_BASE: i64 = 8_000_000_000;

/// Movies to one new actor, and actors to choose from around a movie: 5 of 80 make careers of about 25 movies.
const MOVIES_PER_ACTOR: u64 = 5;
const ACTORS_AROUND: u64 = 80;
const MOVIES_PER_DIRECTOR: u64 = 12;
const DIRECTORS_AROUND: u64 = 10;

/// Each part of a movie has dice of its own, so that its title can be had without its cast.
#[derive(Debug, Clone, Copy)]
enum Part {
    Title = 1,
    Genres,
    Release,
    People,
    Keywords,
    Facts,
}

fn dice(seed: u64, number: u64, part: Part) -> Dice {
    Dice::new(seed, About::Movie, &[number, part as u64])
}

pub(super) fn id(number: u64) -> Option<MovieId> {
    MovieId::new(MovieId::SYNTHETIC_BASE.checked_add(i64::try_from(number).ok()?)?).ok()
}

pub(super) fn title(seed: u64, number: u64) -> String {
    words::title(&mut dice(seed, number, Part::Title))
}

/// One to three places in [`GENRES`], the first ones being the most common.
pub(super) fn genres(seed: u64, number: u64) -> impl Iterator<Item = usize> {
    let mut dice = dice(seed, number, Part::Genres);
    let count = 1 + dice.below(3);
    (0..count).map(move |_| (dice.unit().powi(2) * GENRES.len() as f64) as usize)
}

/// More movies the later, from 1930 to 2025: a fixed range, so that a movie does not move with the calendar.
pub(super) fn release_date(seed: u64, number: u64) -> Option<NaiveDate> {
    let mut dice = dice(seed, number, Part::Release);
    let year = 2025 - (dice.unit().powi(2) * 95.0) as i32;
    NaiveDate::from_yo_opt(year, 1 + dice.below(365) as u32)
}

pub(super) fn movie(seed: u64, number: u64) -> Option<Movie> {
    let mut facts = dice(seed, number, Part::Facts);
    let budget = (facts.unit() < 0.4).then(|| (1 + facts.below(900)) as i64 * 100_000);
    let takings = 0.2 + 4.0 * facts.unit().powi(2);
    let mut movie = Movie {
        release_date: release_date(seed, number),
        runtime: Some(75 + facts.below(75) as i32),
        budget,
        revenue: budget.map(|budget| (budget as f64 * takings) as i64),
        original_language: Some(
            facts.pick(&["en", "en", "en", "en", "fr", "es", "ja", "ko", "de", "it", "hi"]).to_owned(),
        ),
        status: Some("Released".to_owned()),
        genres: distinct(genres(seed, number).filter_map(|at| GENRES.get(at)).map(|genre| (*genre).to_owned())),
        keywords: keywords(seed, number),
        credits: credits(seed, number),
        ..Movie::titled(id(number)?, title(seed, number))
    };
    movie.overview = words::overview(&movie);
    Some(movie)
}

fn credits(seed: u64, number: u64) -> Credits {
    let mut dice = dice(seed, number, Part::People);
    let director = number / MOVIES_PER_DIRECTOR + dice.below(DIRECTORS_AROUND);
    let billed = 3 + dice.below(5);
    let mut actors: Vec<u64> = (0..billed).map(|_| number / MOVIES_PER_ACTOR + dice.below(ACTORS_AROUND)).collect();
    let mut met = std::collections::HashSet::new();
    actors.retain(|actor| met.insert(*actor));
    let cast = actors.into_iter().filter_map(|actor| person(ACTORS_BASE, actor)).zip(0..);
    Credits {
        cast: cast.map(|(person, position)| CastMember { person, character: None, position }).collect(),
        directors: person(DIRECTORS_BASE, director).into_iter().collect(),
    }
}

fn person(base: i64, number: u64) -> Option<Person> {
    let id = PersonId::new(base.checked_add(i64::try_from(number).ok()?)?).ok()?;
    // Directors' names begin elsewhere, so that they are not called like the actors of the same number.
    let offset = if base == DIRECTORS_BASE { 1_000 } else { 0 };
    Some(Person { id, name: words::name(number + offset) })
}

/// Some of the first `40 + 4·√number` keywords, early ones more often.
fn keywords(seed: u64, number: u64) -> Vec<String> {
    let mut dice = dice(seed, number, Part::Keywords);
    let pool = 40.0 + 4.0 * (number as f64).sqrt();
    let count = 3 + dice.below(4);
    distinct((0..count).map(|_| words::keyword((dice.unit().powi(2) * pool) as u64)))
}

fn distinct(words: impl Iterator<Item = String>) -> Vec<String> {
    crate::movie::distinct(words, usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn movies_are_plausible_and_people_have_careers() {
        let movies: Vec<Movie> = (1..=20_000).map(|number| movie(42, number).unwrap()).collect();
        assert_eq!(movies, (1..=20_000).map(|number| movie(42, number).unwrap()).collect::<Vec<_>>());
        let titles: HashSet<_> = movies.iter().map(|movie| &movie.title).collect();
        assert!(titles.len() > 15_000, "{} titles", titles.len());
        let mut careers: HashMap<_, usize> = HashMap::new();
        for movie in &movies {
            assert!(movie.release_date.is_some() && !movie.genres.is_empty() && !movie.keywords.is_empty());
            movie.credits.cast.iter().for_each(|member| *careers.entry(member.person.id).or_default() += 1);
        }
        let longest = careers.values().max().copied().unwrap_or(0);
        assert!(careers.len() > 3_500 && longest < 80, "{} people, {longest} movies", careers.len());
        let keywords: HashSet<_> = movies.iter().flat_map(|movie| &movie.keywords).collect();
        assert!((300..700).contains(&keywords.len()), "{}", keywords.len());
    }
}
