use chrono::{DateTime, NaiveDate, Utc};
use domain::MovieId;
use domain::events::Observation;
use domain::ingest::Record;
use domain::movies::{DailyMetrics, Movie};

use super::dice::{About, Dice, hash, unit};
use super::embedded::{Embedded, embedded};
use super::numbers::Character;
use super::synthetic;
use super::words;

/// The movies of a demo world, by index: real ones first. What is hidden about a movie (how good it is, how well known)
/// follows from seed and index.
#[derive(Debug)]
pub(super) struct Movies {
    seed: u64,
    count: u64,
    /// Rank of popularity of each real movie, from 0, and the movie of each rank.
    ranks: Vec<u64>,
    by_rank: Vec<u64>,
}

impl Movies {
    pub(super) fn new(seed: u64, count: u64) -> Self {
        let movies = &embedded().movies[..(embedded().movies.len() as u64).min(count) as usize];
        let fame = |index: u64| {
            let movie = &movies[index as usize];
            // Money and youth say who is talked about today; chance makes each seed another world.
            let money = (movie.revenue.unwrap_or(0) as f64 / 1e6 + 1.0).ln() / 8.0;
            let youth = movie.release_date.map_or(0.0, |date| f64::from(chrono::Datelike::year(&date) - 1920) / 100.0);
            money + youth + unit(hash(seed, About::Rank, &[index]))
        };
        let mut by_rank: Vec<u64> = (0..movies.len() as u64).collect();
        by_rank.sort_by(|a, b| fame(*b).total_cmp(&fame(*a)));
        let mut ranks = vec![0; movies.len()];
        for (rank, index) in (0..).zip(&by_rank) {
            ranks[*index as usize] = rank;
        }
        Self { seed, count, ranks, by_rank }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Rows of the file of real movies that are none.
    pub(super) fn aside(&self) -> &'static [Record] {
        let Embedded { aside, .. } = embedded();
        aside
    }

    /// The movie at `rank` of popularity. Synthetic movies are in that order already.
    pub(super) fn at_rank(&self, rank: u64) -> u64 {
        self.by_rank.get(rank as usize).copied().unwrap_or(rank)
    }

    fn real(&self, index: u64) -> Option<&'static Movie> {
        embedded().movies.get(index as usize)
    }

    /// The movie with its numbers as of `today`.
    pub(super) fn movie(&self, index: u64, today: NaiveDate) -> Option<Movie> {
        let movie = match self.real(index) {
            Some(movie) => movie.clone(),
            None => synthetic::movie(self.seed, self.number(index))?,
        };
        let DailyMetrics { popularity, vote_average, vote_count, .. } = self.numbers(index, today)?;
        Some(Movie { popularity, vote_average, vote_count, ..movie })
    }

    pub(super) fn title(&self, index: u64) -> String {
        match self.real(index) {
            Some(movie) => movie.title.clone(),
            None => synthetic::title(self.seed, self.number(index)),
        }
    }

    /// Without building the movie: ratings ask for it millions of times.
    pub(super) fn id(&self, index: u64) -> Option<MovieId> {
        match self.real(index) {
            Some(movie) => Some(movie.id),
            None => synthetic::id(self.number(index)),
        }
    }

    /// The movie's genres as bits, in the order of [`words::GENRES`].
    pub(super) fn genres(&self, index: u64) -> u32 {
        match self.real(index) {
            Some(movie) => words::genre_bits(&movie.genres),
            None => synthetic::genres(self.seed, self.number(index)).fold(0, |all, at| all | 1 << at),
        }
    }

    /// Where opinions about the movie centre, 1 to 10. Those that people still know after decades are good.
    pub(super) fn quality(&self, index: u64) -> f64 {
        let mut dice = Dice::new(self.seed, About::Quality, &[index]);
        let bell = (dice.unit() + dice.unit() + dice.unit()) / 3.0;
        if self.real(index).is_some() { 6.2 + 2.6 * bell } else { 2.6 + 6.4 * bell }
    }

    /// The movie's numbers on a day.
    pub(super) fn numbers(&self, index: u64, day: NaiveDate) -> Option<DailyMetrics> {
        Some(self.character(index).on(self.id(index)?, day))
    }

    /// The movie's numbers at a moment.
    pub(super) fn observation(&self, index: u64, at: DateTime<Utc>) -> Option<Observation> {
        Some(self.character(index).at(self.id(index)?, at))
    }

    fn character(&self, index: u64) -> Character {
        let rank = self.ranks.get(index as usize).copied().unwrap_or(index);
        let released = match self.real(index) {
            Some(movie) => movie.release_date,
            None => synthetic::release_date(self.seed, self.number(index)),
        };
        Character { seed: self.seed, index, rank, quality: self.quality(index), released }
    }

    /// Which synthetic movie, from 1.
    fn number(&self, index: u64) -> u64 {
        index + 1 - (embedded().movies.len() as u64).min(index)
    }
}
