//! Live trending in memory: the movies that a source observed or viewers touched since the merge's cutoff, hour by hour, ranked
//! for any window and genre without asking the database. (PostgreSQL took a third of a second for fifty thousand of them.)
//!
//! Memory: 32 bytes an hour in which a source observed a movie, 16 an hour in which viewers touched it, some 250 a movie
//! with its title. Fifty thousand movies with six hours of both are 27 MB; [`MAX_MOVIES`] movies that viewers touched in
//! every hour of two days, of which the source observed the ten thousand that it may, are 225 MB.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use chrono::{DateTime, Utc};

use super::{Trend, order, score};
use crate::MovieId;
use crate::events::Observation;
use crate::hours::Hour;
use crate::merge;
use crate::movies::Votes;

#[cfg(test)]
mod tests;

/// Movies kept; beyond it those with the oldest last hour are dropped. Four times the number that must be ranked quickly, and a
/// bound on memory however many movies an attacker's events name.
pub const MAX_MOVIES: usize = 200_000;

/// Movies over [`MAX_MOVIES`] that may gather before some are dropped: choosing them reads all movies.
const SLACK: usize = MAX_MOVIES / 20;

const HOUR_MICROS: i64 = 3_600_000_000;

/// A movie's public numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    pub popularity: f64,
    pub vote_average: f64,
    pub vote_count: i64,
}

impl From<Observation> for Numbers {
    fn from(seen: Observation) -> Self {
        Self { popularity: seen.popularity, vote_average: seen.vote_average, vote_count: seen.vote_count }
    }
}

/// An observation: a movie's public numbers at one moment, as a source told them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Microseconds since 1970; the event time's hour follows from it.
    at: i64,
    numbers: Numbers,
}

impl Seen {
    /// Numbers as they were observed at a moment.
    pub fn new(at: DateTime<Utc>, numbers: Numbers) -> Self {
        Self { at: at.timestamp_micros(), numbers }
    }

    fn hour(&self) -> Hour {
        Hour::from_index(self.at.div_euclid(HOUR_MICROS))
    }
}

/// An hour in which viewers touched a movie, and how they rated it then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Touched {
    hour: u32,
    ratings: u32,
    rating_sum: f64,
}

impl Touched {
    /// Numbers that no hour of any movie reaches are clamped.
    pub fn new(hour: Hour, ratings: i64, rating_sum: f64) -> Self {
        let hour = u32::try_from(hour.index()).unwrap_or_default();
        Self { hour, ratings: u32::try_from(ratings).unwrap_or(u32::MAX), rating_sum }
    }

    fn hour(&self) -> Hour {
        Hour::from_index(i64::from(self.hour))
    }
}

/// An active movie.
#[derive(Debug, Clone, PartialEq)]
pub struct Movie {
    pub movie_id: MovieId,
    pub title: String,
    pub genres: Vec<String>,
    /// No tombstone.
    pub shown: bool,
    /// As the catalogue has it.
    pub base: Numbers,
    /// The newest observation, however old.
    pub latest: Option<Seen>,
    /// The last observation of each hour since the cutoff.
    pub seen: Vec<Seen>,
    /// Hours since the cutoff.
    pub touched: Vec<Touched>,
}

/// [`Movie`], packed.
#[derive(Debug)]
struct Packed {
    title: Box<str>,
    genres: Box<[u16]>,
    shown: bool,
    base: Numbers,
    latest: Option<Seen>,
    /// Oldest first, as `touched`.
    seen: Box<[Seen]>,
    touched: Box<[Touched]>,
}

impl Packed {
    fn last_hour(&self) -> Option<Hour> {
        let seen = self.seen.last().map(Seen::hour);
        seen.max(self.touched.last().map(Touched::hour))
    }

    /// Forgets hours before `first`.
    fn forget_before(&mut self, first: Hour) {
        let old = self.seen.partition_point(|seen| seen.hour() < first);
        if old > 0 {
            self.seen = self.seen[old..].into();
        }
        let old = self.touched.partition_point(|touched| touched.hour() < first);
        if old > 0 {
            self.touched = self.touched[old..].into();
        }
    }
}

/// The hours that a ranking looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Its first hour; the current one is the last.
    pub since: Hour,
    /// Its length, by which viewers' ratings become velocities.
    pub hours: u32,
}

impl Span {
    /// The last `hours` hours and the part of the current one that has passed.
    pub fn last(hours: u32, now: DateTime<Utc>) -> Self {
        Self { since: Hour::of(now).plus(-i64::from(hours)), hours }
    }
}

/// One place of a ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub trend: Trend,
    pub title: String,
    pub genres: Vec<String>,
}

/// The best movies of a span.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranking {
    pub places: Vec<Place>,
    /// Movies that were active and of the genre.
    pub movies: usize,
    /// The oldest and newest hour of theirs that counted.
    pub hours: Option<(Hour, Hour)>,
    /// Hours of observations among these.
    pub observed: usize,
}

/// The active movies. See the module's head.
#[derive(Debug, Default)]
pub struct Active {
    movies: HashMap<MovieId, Packed>,
    /// Names that movies refer to by number: there are some twenty.
    genres: Vec<Box<str>>,
}

impl Active {
    /// Number of active movies.
    pub fn len(&self) -> usize {
        self.movies.len()
    }

    /// Whether no movie is active.
    pub fn is_empty(&self) -> bool {
        self.movies.is_empty()
    }

    /// Takes over what is known of a movie. Without any hour it is not active.
    pub fn put(&mut self, movie: Movie) {
        let Movie { movie_id, title, genres, shown, base, latest, mut seen, mut touched } = movie;
        if seen.is_empty() && touched.is_empty() {
            self.movies.remove(&movie_id);
            return;
        }
        seen.sort_unstable_by_key(|seen| seen.at);
        touched.sort_unstable_by_key(|touched| touched.hour);
        let genres = genres.iter().filter_map(|genre| self.number(genre)).collect();
        let (seen, touched) = (seen.into(), touched.into());
        self.movies.insert(movie_id, Packed { title: title.into(), genres, shown, base, latest, seen, touched });
        if self.movies.len() > MAX_MOVIES + SLACK {
            self.trim();
        }
    }

    /// The movie is not active, or there is none.
    pub fn remove(&mut self, movie_id: MovieId) {
        self.movies.remove(&movie_id);
    }

    /// Forgets hours before `first`, and movies that have none left.
    pub fn forget_before(&mut self, first: Hour) {
        self.movies.retain(|_, movie| {
            movie.forget_before(first);
            movie.last_hour().is_some()
        });
    }

    /// The movies of a span, best first, at most `limit`; `genre` in any case.
    ///
    /// A viewer's rating counts as one more vote on top of the source's: so the list moves between two observations
    /// too, and without any source.
    pub fn rank(&self, span: Span, genre: Option<&str>, limit: usize) -> Ranking {
        let genre = match genre {
            None => None,
            Some(name) => match self.genres.iter().position(|known| known.to_lowercase() == name.to_lowercase()) {
                Some(number) => Some(number as u16),
                None => return Ranking::default(),
            },
        };
        let mut ranking = Ranking::default();
        let mut best: BinaryHeap<Candidate> = BinaryHeap::with_capacity(limit.min(self.movies.len()));
        for (id, movie) in &self.movies {
            if !movie.shown || genre.is_some_and(|genre| !movie.genres.contains(&genre)) {
                continue;
            }
            let seen = since(&movie.seen, Seen::hour, span);
            let touched = since(&movie.touched, Touched::hour, span);
            if seen.is_empty() && touched.is_empty() {
                continue;
            }
            ranking.count(seen, touched);
            let candidate = Candidate { trend: movie.trend(*id, seen, touched, span.hours), movie };
            if best.len() < limit {
                best.push(candidate);
            } else if best.peek().is_some_and(|worst| candidate < *worst) {
                best.pop();
                best.push(candidate);
            }
        }
        let best = best.into_sorted_vec();
        ranking.places = best.into_iter().map(|candidate| self.place(&candidate)).collect();
        ranking
    }

    fn place(&self, candidate: &Candidate<'_>) -> Place {
        let genres = candidate.movie.genres.iter();
        Place {
            trend: candidate.trend,
            title: candidate.movie.title.to_string(),
            genres: genres.filter_map(|number| Some(self.genres.get(usize::from(*number))?.to_string())).collect(),
        }
    }

    /// The number of a genre, a new one where it is new.
    fn number(&mut self, genre: &str) -> Option<u16> {
        let known = self.genres.iter().position(|known| **known == *genre);
        let number = known.unwrap_or_else(|| {
            self.genres.push(genre.into());
            self.genres.len() - 1
        });
        u16::try_from(number).ok()
    }

    /// Back to [`MAX_MOVIES`].
    fn trim(&mut self) {
        let mut movies: Vec<(Option<Hour>, MovieId)> =
            self.movies.iter().map(|(id, movie)| (movie.last_hour(), *id)).collect();
        let surplus = movies.len().saturating_sub(MAX_MOVIES);
        if surplus > 0 {
            movies.select_nth_unstable(surplus);
            movies[..surplus].iter().for_each(|(_, id)| self.remove(*id));
        }
    }
}

/// The hours of a span, out of all that are kept, oldest first. Most movies have every hour or hardly any, so the first guess is
/// where the span begins if no hour is missing: a binary search misses the CPU cache, and would cost more than the rest of the
/// ranking.
fn since<T>(hours: &[T], hour: fn(&T) -> Hour, span: Span) -> &[T] {
    let within = |at: usize| hours.get(at).is_none_or(|of| hour(of) >= span.since);
    let likely = hours.len().saturating_sub(span.hours as usize + 1);
    if within(likely) && (likely == 0 || !within(likely - 1)) {
        return &hours[likely..];
    }
    &hours[hours.partition_point(|of| hour(of) < span.since)..]
}

impl Packed {
    /// Its movement over some hours.
    fn trend(&self, movie_id: MovieId, seen: &[Seen], touched: &[Touched], hours: u32) -> Trend {
        let Numbers { popularity, vote_average, vote_count } =
            merge::latest(self.base, self.latest.map(|latest| latest.numbers));
        let ratings: i64 = touched.iter().map(|touched| i64::from(touched.ratings)).sum();
        let rating_sum: f64 = touched.iter().map(|touched| touched.rating_sum).sum();
        let votes = Votes { average: vote_average, count: vote_count }.with_ratings(ratings, rating_sum);
        let since_first = |now: f64, then: fn(&Numbers) -> f64| match seen.first() {
            Some(first) => (now - then(&first.numbers)) / observed_hours(first, self.latest.as_ref()),
            None => 0.0,
        };
        let hours = f64::from(hours);
        let popularity_velocity = since_first(popularity, |then| then.popularity);
        let rating_velocity =
            since_first(vote_average, |then| then.vote_average) + (votes.average - vote_average) / hours;
        let vote_velocity = since_first(vote_count as f64, |then| then.vote_count as f64) + ratings as f64 / hours;
        Trend {
            movie_id,
            score: score(popularity, rating_velocity, votes.average, vote_velocity),
            popularity_velocity,
            rating_velocity,
            vote_velocity,
            popularity,
            vote_average: votes.average,
            vote_count: votes.count,
        }
    }
}

/// Two observations minutes apart, on both sides of an hour's edge, say nothing about an hour: so at least one.
fn observed_hours(first: &Seen, latest: Option<&Seen>) -> f64 {
    latest.map_or(1.0, |latest| (latest.at - first.at) as f64 / 1e6 / 3_600.0).max(1.0)
}

impl Ranking {
    fn count(&mut self, seen: &[Seen], touched: &[Touched]) {
        self.movies += 1;
        self.observed += seen.len();
        let firsts = [seen.first().map(Seen::hour), touched.first().map(Touched::hour)];
        let lasts = [seen.last().map(Seen::hour), touched.last().map(Touched::hour)];
        for hour in firsts.into_iter().chain(lasts).flatten() {
            self.hours = Some(self.hours.map_or((hour, hour), |(first, last)| (first.min(hour), last.max(hour))));
        }
    }
}

/// A movie on its way into a ranking; the greatest is the worst, which a heap throws out first.
struct Candidate<'a> {
    trend: Trend,
    movie: &'a Packed,
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.trend, &other.trend)
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate<'_> {}
