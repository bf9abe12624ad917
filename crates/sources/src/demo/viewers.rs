use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Utc};
use domain::movies::Rating;

use super::DemoConfig;
use super::dice::{About, Dice, hash};
use super::movies::Movies;
use super::taste::{LOOKS, Taste};

/// The viewers of a demo world and what they rate. A viewer is drawn whole, movie after movie, so that no pair comes twice;
/// that takes memory for one viewer at a time.
#[derive(Debug, Clone)]
pub(super) struct Viewers {
    config: Arc<DemoConfig>,
    pub(super) movies: Arc<Movies>,
}

/// A rating with the movie it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opinion {
    pub index: u64,
    pub rating: Rating,
}

impl Viewers {
    pub(super) fn new(config: Arc<DemoConfig>, movies: Arc<Movies>) -> Self {
        Self { config, movies }
    }

    pub(super) fn seed(&self) -> u64 {
        self.config.seed
    }

    pub(super) fn ratings(self) -> impl Iterator<Item = Rating> + Send {
        self.opinions().map(|opinion| opinion.rating)
    }

    /// Every rating, viewer by viewer.
    pub(super) fn opinions(self) -> impl Iterator<Item = Opinion> + Send {
        (0..self.config.users).flat_map(move |viewer| self.opinions_of(viewer))
    }

    /// How many movies the viewer rates. Half are busier by as much as their neighbours are lazier, which keeps the sum.
    fn count(&self, viewer: u64) -> u64 {
        let DemoConfig { users, movies, ratings, .. } = *self.config;
        let total = ratings.min(users.saturating_mul(movies));
        let share = total / users + u64::from(viewer < total % users);
        if viewer | 1 >= users {
            return share;
        }
        let common = total / users;
        let mut dice = Dice::new(self.config.seed, About::Viewer, &[viewer / 2]);
        let shift = (0.9 * dice.unit() * common as f64) as u64;
        let shift = shift.min(movies.saturating_sub(common + 1));
        if viewer & 1 == 0 { share + shift } else { share - shift }
    }

    fn opinions_of(&self, viewer: u64) -> Vec<Opinion> {
        let seed = self.config.seed;
        let mut dice = Dice::new(seed, About::Draws, &[viewer]);
        let taste = Taste::new(&mut dice);
        let mut free = Free::new(self.config.movies);
        let count = self.count(viewer);
        let mut opinions = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let mut rank = 0;
            for _ in 0..LOOKS {
                rank = dice.zipf(self.config.movies);
                let genres = self.movies.genres(self.movies.at_rank(rank));
                if free.is_free(rank) && taste.takes(genres, &mut dice) {
                    break;
                }
            }
            let Some(rank) = free.take(rank) else { break };
            opinions.extend(self.opinion(viewer, self.movies.at_rank(rank), taste));
        }
        opinions
    }

    fn opinion(&self, viewer: u64, index: u64, taste: Taste) -> Option<Opinion> {
        let mut dice = Dice::new(self.config.seed, About::Stars, &[viewer, index]);
        let stars = taste.stars(self.movies.quality(index), self.movies.genres(index), &mut dice);
        let rating = Rating {
            user_id: i64::try_from(viewer).ok()?.checked_add(1)?,
            movie_id: self.movies.id(index)?,
            rating: stars,
            rated_at: moment(&self.config, hash(self.config.seed, About::Moment, &[viewer, index]))?,
        };
        Some(Opinion { index, rating })
    }
}

/// The latest day before today that falls on the pair's own place in a period of `days` days, at its own time of day.
fn moment(config: &DemoConfig, hash: u64) -> Option<DateTime<Utc>> {
    const SECONDS_A_DAY: u64 = 86_400;
    let days = i64::from(config.days);
    let yesterday: NaiveDate = config.today.pred_opt()?;
    let place = ((hash / SECONDS_A_DAY) % days as u64) as i64;
    let back = (i64::from(yesterday.num_days_from_ce()) - place).rem_euclid(days);
    let time = NaiveTime::from_num_seconds_from_midnight_opt((hash % SECONDS_A_DAY) as u32, 0)?;
    Some(yesterday.checked_sub_days(Days::new(back as u64))?.and_time(time).and_utc())
}

/// Which ranks a viewer has not rated yet: for each taken one, where to look on. Paths are shortened as they are walked,
/// so the next free rank is near also for a viewer who has rated everything popular.
struct Free {
    count: u64,
    next: HashMap<u64, u64>,
}

impl Free {
    fn new(count: u64) -> Self {
        Self { count, next: HashMap::new() }
    }

    fn is_free(&self, rank: u64) -> bool {
        !self.next.contains_key(&rank)
    }

    /// Takes `rank` or the next free one behind it, from the first on after the last. `None` once all are taken.
    fn take(&mut self, rank: u64) -> Option<u64> {
        let mut found = self.find(rank);
        if found >= self.count {
            found = self.find(0);
        }
        (found < self.count).then(|| {
            self.next.insert(found, found + 1);
            found
        })
    }

    fn find(&mut self, rank: u64) -> u64 {
        let mut root = rank;
        while let Some(next) = self.next.get(&root) {
            root = *next;
        }
        let mut at = rank;
        while let Some(next) = self.next.get_mut(&at) {
            at = std::mem::replace(next, root);
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_is_taken_once() {
        let mut free = Free::new(5);
        let taken: Vec<_> = [3, 3, 3, 0, 3].into_iter().map(|rank| free.take(rank)).collect();
        assert_eq!(taken, [Some(3), Some(4), Some(0), Some(1), Some(2)]);
        assert_eq!(free.take(2), None);
    }
}
