//! The demo world: real movies from `data/demo_movies.csv`, synthetic ones beyond them, and viewers who watch them.
//!
//! Everything is a function of the seed, of ids and of calendar days; nothing is stored and nothing depends on how
//! often or in which order the world is read. So it can be any size in little memory, the same day gives the same
//! world, and the next day gives the same world one day further.
//!
//! - *Numbers* of a movie on a day depend on that day, not on the window around it: another day adds a snapshot to each
//!   active movie and changes none.
//! - *Ratings* recur: a viewer rates a movie on one fixed day of every period of `days` days, always with the same
//!   stars, and the world shows the latest such day before today. A run has exactly as many ratings as configured, all
//!   within the last `days` full days; a day later those of the day that left the window come again, dated yesterday
//!   (the viewer watched the movie again), and all others are unchanged. The same goes for reviews.

mod audience;
mod dice;
mod embedded;
mod movies;
mod numbers;
mod reviews;
mod synthetic;
mod taste;
mod viewers;
mod words;

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use domain::MovieId;
use domain::events::Observation;
use domain::ingest::Record;
use domain::movies::DailyMetrics;

use self::movies::Movies;
use self::viewers::Viewers;

pub use self::audience::{Act, Audience, Did, Showing};
pub use self::embedded::embedded_movies;

/// Seed 5's names of movies, which the demo world defines as aliases so that the seed's calls work as printed: alias and
/// TMDB id. The seed itself names `m002` Inception and `m003` Interstellar.
const ALIASES: [(&str, i64); 10] = [
    ("m001", 603),
    ("m002", 27_205),
    ("m003", 157_336),
    ("m004", 155),
    ("m005", 278),
    ("m006", 238),
    ("m007", 680),
    ("m008", 13),
    ("m009", 550),
    ("m010", 120),
];

/// The demo world's aliases.
pub fn aliases() -> Vec<(Box<str>, MovieId)> {
    ALIASES.into_iter().filter_map(|(alias, id)| Some((alias.into(), MovieId::new(id).ok()?))).collect()
}

/// Movies with a snapshot for every day of the window; the ones behind them, by rank of popularity, have one for today.
/// A million movies times 60 days would be 60 million rows that no view asks for: only these can trend.
pub const DEMO_ACTIVE_MOVIES: u64 = 50_000;

/// Reviews in the largest demo world; sentiment needs many per movie, not all movies.
pub const DEMO_MAX_REVIEWS: usize = 20_000;

/// Synthetic movies end where the ids of MovieLens' own movies begin.
const MAX_MOVIES: u64 = 999_999_999;

/// A century; days are counted one by one.
const MAX_DAYS: u32 = 36_525;

/// How large a demo world is, and which one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoConfig {
    /// Movies. Up to [`embedded_movies`] they are real ones, then synthetic.
    pub movies: u64,
    /// Viewers, numbered from 1.
    pub users: u64,
    /// Days of history, today included for metrics; 0 counts as 1.
    pub days: u32,
    /// Ratings, at most one per viewer and movie.
    pub ratings: u64,
    /// The same seed makes the same world.
    pub seed: u64,
    /// The last day of the world.
    pub today: NaiveDate,
}

impl DemoConfig {
    /// The real movies, 600 viewers, 60 days, 20,000 ratings.
    pub fn new(today: NaiveDate) -> Self {
        Self { movies: embedded_movies(), users: 600, days: 60, ratings: 20_000, seed: 42, today }
    }
}

/// The demo world as records: movies, snapshots day by day up to today, ratings, reviews. Lazy; besides the 400 real movies
/// it holds one viewer's ratings at a time.
pub fn world(config: DemoConfig) -> impl Iterator<Item = Record> + Send {
    let config = DemoConfig { movies: config.movies.min(MAX_MOVIES), days: config.days.clamp(1, MAX_DAYS), ..config };
    let config = Arc::new(config);
    let movies = Arc::new(Movies::new(config.seed, config.movies));
    let viewers = Viewers::new(config.clone(), movies.clone());
    movie_records(&config, &movies)
        .chain(metrics(&config, &movies).map(Record::Metrics))
        .chain(viewers.clone().ratings().map(Record::Rating))
        .chain(reviews::reviews(viewers).take(DEMO_MAX_REVIEWS).map(Record::Review))
}

/// The first `count` movies by rank of popularity, as they stand at a moment of the demo world's last day.
pub fn popular(config: &DemoConfig, count: u64, at: DateTime<Utc>) -> Vec<Observation> {
    let movies = Movies::new(config.seed, config.movies.min(MAX_MOVIES));
    (0..count.min(movies.count())).filter_map(|rank| movies.observation(movies.at_rank(rank), at)).collect()
}

fn movie_records(config: &Arc<DemoConfig>, movies: &Arc<Movies>) -> impl Iterator<Item = Record> + Send + use<> {
    let (today, movies) = (config.today, movies.clone());
    let aside = movies.aside().to_vec();
    let movies = (0..movies.count()).filter_map(move |index| movies.movie(index, today));
    aside.into_iter().chain(movies.map(|movie| Record::Movie(Box::new(movie))))
}

fn metrics(config: &Arc<DemoConfig>, movies: &Arc<Movies>) -> impl Iterator<Item = DailyMetrics> + Send + use<> {
    let (today, back, movies) = (config.today, u64::from(config.days) - 1, movies.clone());
    let active = movies.count().min(DEMO_ACTIVE_MOVIES);
    let days = (0..=back).rev().filter_map(move |back| today.checked_sub_days(Days::new(back)));
    days.flat_map(move |day| {
        let movies = movies.clone();
        let until = if day == today { movies.count() } else { active };
        (0..until).filter_map(move |index| movies.numbers(index, day))
    })
}
