//! A movie's public numbers as a function of the day.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use domain::MovieId;
use domain::events::Observation;
use domain::movies::DailyMetrics;

use super::dice::{About, Dice, hash, noise, unit};

/// Votes are counted from here on, or from the release if that is later. Any fixed day before every demo would do.
const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(2015, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// Days' worth of votes that a movie older than [`FIRST_DAY`] starts with.
const HEAD_START: f64 = 1_000.0;

/// One movie in so many is rediscovered now and then: its popularity climbs for weeks, then falls back.
const RISING_ONE_IN: u64 = 12;
/// Part of each such period in which it climbs, and in which it falls back again.
const CLIMB: f64 = 0.35;
/// What popularity is multiplied by at the top, less one.
const RISE: f64 = 2.5;
/// How far popularity swings within hours.
const HOURLY: f64 = 0.04;

/// What decides a movie's numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Character {
    pub seed: u64,
    pub index: u64,
    /// Place by popularity, from 0.
    pub rank: u64,
    pub quality: f64,
    pub released: Option<NaiveDate>,
}

impl Character {
    pub(super) fn on(&self, movie_id: MovieId, day: NaiveDate) -> DailyMetrics {
        let time = i64::from(day.num_days_from_ce());
        let fame = 180.0 / (self.rank as f64 + 3.0).powf(0.75);
        let rising = Rising::of(self.seed, self.index);
        let rise = rising.map_or(0.0, |rising| rising.height(time));
        let weekend = if day.weekday().number_from_monday() >= 5 { 1.08 } else { 1.0 };
        let wander = 1.0
            + 0.22 * noise(self.seed, About::Wander, self.index, time, 9)
            + 0.03 * noise(self.seed, About::Jitter, self.index, time, 1);
        let vote_count = self.votes(day, time, fame, rising);
        let drift = 0.1 * noise(self.seed, About::Votes, self.index, time, 25) + 0.25 * rise;
        DailyMetrics {
            movie_id,
            day,
            popularity: thousandths(fame * weekend * wander * (1.0 + RISE * rise)),
            vote_average: if vote_count > 0 { thousandths((self.quality + drift).clamp(1.0, 10.0)) } else { 0.0 },
            vote_count,
        }
    }

    /// The numbers within a day: from those of its first moment to those of the next day's, and a wave of some hours
    /// that shows which movie people talk about this evening.
    pub(super) fn at(&self, movie_id: MovieId, at: DateTime<Utc>) -> Observation {
        let (day, hour) = (at.date_naive(), at.timestamp().div_euclid(3_600));
        let today = self.on(movie_id, day);
        let tomorrow = self.on(movie_id, day.succ_opt().unwrap_or(day));
        let part = f64::from(at.hour()) / 24.0;
        let between = |from: f64, to: f64| from + (to - from) * part;
        let wave = 1.0 + HOURLY * noise(self.seed, About::Hour, self.index, hour, 4);
        Observation {
            movie_id,
            observed_at: at,
            popularity: thousandths(between(today.popularity, tomorrow.popularity) * wave),
            vote_average: match today.vote_count {
                0 => 0.0,
                _ => thousandths(between(today.vote_average, tomorrow.vote_average)),
            },
            vote_count: between(today.vote_count as f64, tomorrow.vote_count as f64).floor() as i64,
        }
    }

    /// Grows from day to day: the day's own jitter is less than a day's worth of votes.
    fn votes(&self, day: NaiveDate, time: i64, fame: f64, rising: Option<Rising>) -> i64 {
        let (start, head_start) = match self.released {
            Some(released) if released > FIRST_DAY => (released, 0.0),
            _ => (FIRST_DAY, HEAD_START),
        };
        let days = (day - start).num_days();
        if days < 0 {
            return 0;
        }
        let rate = 0.12 * fame.powf(0.9);
        let jitter = 0.5 * unit(hash(self.seed, About::Jitter, &[self.index, time as u64]));
        let start = i64::from(start.num_days_from_ce());
        let rediscovered = rising.map_or(0.0, |rising| rising.climbs(time) - rising.climbs(start));
        (rate * (head_start + days as f64 + jitter + 60.0 * rediscovered)).floor() as i64
    }
}

/// When a movie is rediscovered.
#[derive(Debug, Clone, Copy)]
struct Rising {
    period: i64,
    phase: i64,
}

impl Rising {
    fn of(seed: u64, index: u64) -> Option<Self> {
        let mut dice = Dice::new(seed, About::Rising, &[index]);
        (dice.below(RISING_ONE_IN) == 0)
            .then(|| Self { period: 120 + dice.below(60) as i64, phase: dice.below(180) as i64 })
    }

    /// Completed periods, and how far the current one is, 0 to 1.
    fn at(self, time: i64) -> (f64, f64) {
        let time = time + self.phase;
        (time.div_euclid(self.period) as f64, time.rem_euclid(self.period) as f64 / self.period as f64)
    }

    /// 0 on ordinary days, 1 at the top.
    fn height(self, time: i64) -> f64 {
        let (_, part) = self.at(time);
        (1.0 - (part - CLIMB).abs() / CLIMB).max(0.0)
    }

    /// Climbs so far; never falls.
    fn climbs(self, time: i64) -> f64 {
        let (periods, part) = self.at(time);
        periods + (part / CLIMB).min(1.0)
    }
}

fn thousandths(x: f64) -> f64 {
    (x * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;

    fn numbers(index: u64, released: &str, back: u64) -> DailyMetrics {
        let day = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap() - Days::new(back);
        let character = Character { seed: 42, index, rank: index, quality: 7.0, released: released.parse().ok() };
        character.on(MovieId::new(1).unwrap(), day)
    }

    #[test]
    fn votes_only_grow_and_numbers_stay_in_range() {
        for index in [0, 5, 40, 399, 40_000] {
            let days: Vec<_> = (0..400).rev().map(|back| numbers(index, "1999-10-15", back)).collect();
            assert!(days.windows(2).all(|pair| pair[1].vote_count >= pair[0].vote_count), "movie {index}");
            assert!(days.iter().all(|day| day.popularity > 0.0 && (1.0..=10.0).contains(&day.vote_average)));
        }
        assert!(numbers(0, "1999-10-15", 0).vote_count > numbers(0, "1999-10-15", 30).vote_count + 30);
    }

    #[test]
    fn hours_lie_between_their_days_and_votes_only_grow() {
        let character = Character { seed: 42, index: 3, rank: 3, quality: 7.0, released: None };
        let id = MovieId::new(1).unwrap();
        let midnight: DateTime<Utc> = "2026-11-22T00:20:00Z".parse().unwrap();
        let hours: Vec<_> = (0..72).map(|hour| character.at(id, midnight + chrono::TimeDelta::hours(hour))).collect();
        let day = character.on(id, midnight.date_naive());
        assert_eq!((hours[0].vote_count, hours[0].vote_average), (day.vote_count, day.vote_average));
        assert!((hours[0].popularity / day.popularity - 1.0).abs() <= HOURLY);
        assert!(hours.windows(2).all(|pair| pair[1].vote_count >= pair[0].vote_count));
        assert!(hours.windows(2).all(|pair| (pair[1].popularity / pair[0].popularity - 1.0).abs() < 0.1));
        assert!(
            hours.windows(2).filter(|pair| pair[0].popularity != pair[1].popularity).count() > 60,
            "the demo lives"
        );
    }

    #[test]
    fn nobody_votes_before_the_release() {
        assert_eq!(numbers(3, "2026-11-22", 1).vote_count, 0);
        assert_eq!(numbers(3, "2026-11-22", 1).vote_average, 0.0);
    }

    #[test]
    fn a_few_movies_are_rising_on_any_day() {
        for back in [0, 30, 60, 90, 400] {
            let rose = |index: &u64| {
                numbers(*index, "1999-10-15", back).popularity
                    > 1.4 * numbers(*index, "1999-10-15", back + 25).popularity
            };
            let rising = (0..400).filter(rose).count();
            assert!((4..60).contains(&rising), "{rising} rise {back} days ago");
        }
    }
}
