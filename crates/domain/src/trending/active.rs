//! Live trending in memory: the movies that a source observed or viewers touched since the merge's cutoff, hour by
//! hour. It ranks them for any window and genre without a database query (PostgreSQL took a third of a second for fifty
//! thousand movies).
//!
//! Memory: 32 bytes per hour in which a source observed a movie, 16 per hour in which viewers touched it, about 250 per
//! movie with its title. Fifty thousand movies with six hours of both take 27 MB; [`MAX_MOVIES`] movies that viewers
//! touched in every hour of two days, of which ten thousand (the most that a source may observe) were observed, take
//! 225 MB.

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

/// Most movies kept; beyond it the movies with the oldest last hour are dropped. Four times the number that must be
/// ranked quickly, and a bound on memory however many movies an attacker's events name.
pub const MAX_MOVIES: usize = 200_000;

/// Movies beyond [`MAX_MOVIES`] that may accumulate before some are dropped: choosing them reads all movies.
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
    fn from(observation: Observation) -> Self {
        let Observation { popularity, vote_average, vote_count, .. } = observation;
        Self { popularity, vote_average, vote_count }
    }
}

/// An observation, compactly: a movie's public numbers at one moment, as a source reported them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Microseconds since 1970-01-01T00:00Z; they determine the hour of event time.
    at: i64,
    numbers: Numbers,
}

impl Observed {
    /// An observation of `numbers` at a moment.
    pub fn new(at: DateTime<Utc>, numbers: Numbers) -> Self {
        Self { at: at.timestamp_micros(), numbers }
    }

    fn hour(&self) -> Hour {
        Hour::from_index(self.at.div_euclid(HOUR_MICROS))
    }
}

/// An hour in which viewers touched a movie, and their ratings in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Touched {
    hour: u32,
    ratings: u32,
    rating_sum: f64,
}

impl Touched {
    /// `ratings` ratings with the sum `rating_sum` in an hour. Numbers beyond what an hour can reach are clamped.
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
    /// Whether readers see the movie, which is false for a tombstone.
    pub shown: bool,
    /// The numbers of the catalogue.
    pub base: Numbers,
    /// The newest observation, however old.
    pub latest: Option<Observed>,
    /// The last observation of each hour since the cutoff, oldest first.
    pub observed: Vec<Observed>,
    /// Hours since the cutoff in which viewers touched the movie, oldest first.
    pub touched: Vec<Touched>,
}

/// [`Movie`] in compact form.
#[derive(Debug)]
struct Packed {
    title: Box<str>,
    genres: Box<[u16]>,
    shown: bool,
    base: Numbers,
    latest: Option<Observed>,
    /// Oldest first, like `touched`.
    observed: Box<[Observed]>,
    touched: Box<[Touched]>,
}

impl Packed {
    fn last_hour(&self) -> Option<Hour> {
        let observed = self.observed.last().map(Observed::hour);
        observed.max(self.touched.last().map(Touched::hour))
    }

    /// Drops the hours before `first`.
    fn forget_before(&mut self, first: Hour) {
        let old = self.observed.partition_point(|observed| observed.hour() < first);
        if old > 0 {
            self.observed = self.observed[old..].into();
        }
        let old = self.touched.partition_point(|touched| touched.hour() < first);
        if old > 0 {
            self.touched = self.touched[old..].into();
        }
    }
}

/// The hours that a ranking covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Its first hour; the current hour is the last.
    pub since: Hour,
    /// Its length in hours, by which viewers' ratings are divided to give velocities.
    pub hours: u32,
}

impl Span {
    /// The last `hours` hours, and the part of the current hour that has passed.
    pub fn last(hours: u32, now: DateTime<Utc>) -> Self {
        Self { since: Hour::of(now).plus(-i64::from(hours)), hours }
    }
}

/// One place in a ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub trend: Trend,
    pub title: String,
    pub genres: Vec<String>,
}

/// The highest-ranked movies of a span.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranking {
    pub places: Vec<Place>,
    /// Number of movies that were active in the span and have the genre.
    pub movies: usize,
    /// The oldest and the newest hour that counted.
    pub hours: Option<(Hour, Hour)>,
    /// Number of hours with observations that counted.
    pub observed: usize,
}

/// The active movies, see the module's documentation.
#[derive(Debug, Default)]
pub struct Active {
    movies: HashMap<MovieId, Packed>,
    /// Interned genre names, about twenty, which movies refer to by index.
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

    /// Whether an active movie has, or had, this genre; upper and lower case are equal.
    pub fn has_genre(&self, genre: &str) -> bool {
        self.genre_number(genre).is_some()
    }

    fn genre_number(&self, name: &str) -> Option<u16> {
        let name = name.to_lowercase();
        self.genres.iter().position(|known| known.to_lowercase() == name).map(|number| number as u16)
    }

    /// Replaces what is kept of a movie. A movie without any hour is not active and is removed.
    pub fn put(&mut self, movie: Movie) {
        let Movie { movie_id, title, genres, shown, base, latest, mut observed, mut touched } = movie;
        if observed.is_empty() && touched.is_empty() {
            self.movies.remove(&movie_id);
            return;
        }
        observed.sort_unstable_by_key(|observed| observed.at);
        touched.sort_unstable_by_key(|touched| touched.hour);
        let genres = genres.iter().filter_map(|genre| self.number(genre)).collect();
        let (observed, touched) = (observed.into(), touched.into());
        self.movies.insert(movie_id, Packed { title: title.into(), genres, shown, base, latest, observed, touched });
        if self.movies.len() > MAX_MOVIES + SLACK {
            self.trim();
        }
    }

    /// Removes a movie, if it is there.
    pub fn remove(&mut self, movie_id: MovieId) {
        self.movies.remove(&movie_id);
    }

    /// Drops the hours before `first`, and the movies that then have none.
    pub fn forget_before(&mut self, first: Hour) {
        self.movies.retain(|_, movie| {
            movie.forget_before(first);
            movie.last_hour().is_some()
        });
    }

    /// Ranks the movies of a span, best first, at most `limit` of them; the case of `genre` is ignored.
    ///
    /// A viewer's rating counts as one more vote in addition to the source's votes. So the ranking moves between two
    /// observations too, and without any source.
    pub fn rank(&self, span: Span, genre: Option<&str>, limit: usize) -> Ranking {
        let genre = match genre {
            None => None,
            Some(name) => match self.genre_number(name) {
                Some(number) => Some(number),
                None => return Ranking::default(),
            },
        };
        let mut ranking = Ranking::default();
        let mut best: BinaryHeap<Candidate> = BinaryHeap::with_capacity(limit.min(self.movies.len()));
        for (id, movie) in &self.movies {
            if !movie.shown || genre.is_some_and(|genre| !movie.genres.contains(&genre)) {
                continue;
            }
            let observed = since(&movie.observed, Observed::hour, span);
            let touched = since(&movie.touched, Touched::hour, span);
            if observed.is_empty() && touched.is_empty() {
                continue;
            }
            ranking.count(observed, touched);
            let candidate = Candidate { trend: movie.trend(*id, observed, touched, span.hours), movie };
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

    /// The index of a genre, which is added if it is new; `None` when no index is left.
    fn number(&mut self, genre: &str) -> Option<u16> {
        let known = self.genres.iter().position(|known| **known == *genre);
        let number = known.unwrap_or_else(|| {
            self.genres.push(genre.into());
            self.genres.len() - 1
        });
        u16::try_from(number).ok()
    }

    /// Drops movies down to [`MAX_MOVIES`].
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

/// The hours within a span, out of all that are kept, oldest first. Most movies have every hour or hardly any, so the
/// first guess is where the span begins if no hour is missing: a binary search would miss the CPU cache and cost more
/// than the rest of the ranking.
fn since<T>(hours: &[T], hour: fn(&T) -> Hour, span: Span) -> &[T] {
    let within = |at: usize| hours.get(at).is_none_or(|of| hour(of) >= span.since);
    let likely = hours.len().saturating_sub(span.hours as usize + 1);
    if within(likely) && (likely == 0 || !within(likely - 1)) {
        return &hours[likely..];
    }
    &hours[hours.partition_point(|of| hour(of) < span.since)..]
}

impl Packed {
    /// The movie's trend over some hours.
    fn trend(&self, movie_id: MovieId, observed: &[Observed], touched: &[Touched], hours: u32) -> Trend {
        let Numbers { popularity, vote_average, vote_count } =
            merge::latest(self.base, self.latest.map(|latest| latest.numbers));
        let ratings: i64 = touched.iter().map(|touched| i64::from(touched.ratings)).sum();
        let rating_sum: f64 = touched.iter().map(|touched| touched.rating_sum).sum();
        let votes = Votes { average: vote_average, count: vote_count }.with_ratings(ratings, rating_sum);
        let since_first = |now: f64, then: fn(&Numbers) -> f64| match observed.first() {
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

/// Hours between two observations, at least 1: two observations minutes apart, on both sides of an hour's edge, do not
/// measure an hour.
fn observed_hours(first: &Observed, latest: Option<&Observed>) -> f64 {
    latest.map_or(1.0, |latest| (latest.at - first.at) as f64 / 1e6 / 3_600.0).max(1.0)
}

impl Ranking {
    fn count(&mut self, observed: &[Observed], touched: &[Touched]) {
        self.movies += 1;
        self.observed += observed.len();
        let firsts = [observed.first().map(Observed::hour), touched.first().map(Touched::hour)];
        let lasts = [observed.last().map(Observed::hour), touched.last().map(Touched::hour)];
        for hour in firsts.into_iter().chain(lasts).flatten() {
            self.hours = Some(self.hours.map_or((hour, hour), |(first, last)| (first.min(hour), last.max(hour))));
        }
    }
}

/// A candidate for a ranking, ordered in reverse: the heap's greatest is the worst, which is dropped first.
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
