//! Viewers as they live now: an endless run of what they do with the movies that are shown.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use domain::events::{Event, EventType, Fact, ViewerReview};
use domain::viewers::ViewerName;
use domain::{EventId, MovieId, ReviewId};

use super::dice::{About, Dice};
use super::taste::{LOOKS, Taste};
use super::words;

/// Number of viewers.
const VIEWERS: u64 = 5_000;

/// Sessions at the same time; their acts alternate.
const SESSIONS: u64 = 64;

/// Movies that one of them is shown before leaving: at least so many, and at most so many more.
const SHOWN_MIN: u64 = 3;
const SHOWN_MORE: u64 = 10;

/// Mean opinion of a movie without votes.
const UNRATED: f64 = 6.0;

/// A movie that viewers may come across.
#[derive(Debug, Clone, PartialEq)]
pub struct Showing {
    /// The movie.
    pub movie_id: MovieId,
    /// For the texts of reviews.
    pub title: String,
    /// TMDB's genre names.
    pub genres: Vec<String>,
    /// 0 to 10; 0 is unrated.
    pub vote_average: f64,
}

/// What a viewer did.
#[derive(Debug, Clone, PartialEq)]
pub enum Did {
    /// An event without a value.
    Event(EventType),
    /// A rating, 0.5 to 10.
    Rate(f32),
    /// A review with its rating, 0.5 to 10.
    Review(f32, String),
}

/// One act of one viewer.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Who did it: the viewer whose ratings the demo source has under this number.
    pub user_id: ViewerName,
    /// The movie.
    pub movie_id: MovieId,
    /// What they did.
    pub did: Did,
}

impl Act {
    /// The act as a fact under an id of its own: sent again, it is the same fact.
    pub fn at(self, occurred_at: DateTime<Utc>) -> Fact {
        let Self { user_id, movie_id, did } = self;
        let event = |event_type, rating| {
            Fact::Event(Event {
                event_id: EventId::new(),
                user_id: user_id.clone(),
                movie_id,
                event_type,
                rating,
                list_id: None,
                occurred_at,
            })
        };
        match did {
            Did::Event(event_type) => event(event_type, None),
            Did::Rate(stars) => event(EventType::Rating, Some(stars)),
            Did::Review(stars, content) => Fact::Review(ViewerReview {
                review_id: ReviewId::new(),
                user_id: Some(user_id.clone()),
                movie_id,
                content,
                rating: Some(stars),
                occurred_at,
            }),
        }
    }
}

/// The viewers of some movies: an iterator without end, the same for the same seed and movies.
///
/// A viewer comes, is shown some movies (popular ones more often, those of the own taste rather), and goes as far with
/// each as interest carries: impression, click, view, watch, like or dislike, rating, review. Sessions of several
/// viewers alternate; within one the order is that of the funnel.
#[derive(Debug)]
pub struct Audience {
    seed: u64,
    /// The most popular first.
    movies: Vec<Movie>,
    dice: Dice,
    begun: u64,
    sessions: Vec<Session>,
}

#[derive(Debug)]
struct Movie {
    showing: Showing,
    genres: u32,
}

#[derive(Debug)]
struct Session {
    user_id: ViewerName,
    taste: Taste,
    dice: Dice,
    to_be_shown: u64,
    /// What the viewer is about to do with the movie shown last.
    acts: VecDeque<Act>,
}

impl Audience {
    /// Of these movies, the most popular first; `None` where there is none.
    pub fn new(seed: u64, movies: Vec<Showing>) -> Option<Self> {
        let movie = |showing: Showing| Movie { genres: words::genre_bits(&showing.genres), showing };
        let movies: Vec<Movie> = movies.into_iter().map(movie).collect();
        let dice = Dice::new(seed, About::Session, &[]);
        (!movies.is_empty()).then_some(Self { seed, movies, dice, begun: 0, sessions: Vec::new() })
    }

    /// The next viewer to come.
    fn begin(&mut self) -> Option<Session> {
        self.begun += 1;
        let viewer = self.dice.below(VIEWERS);
        let mut dice = Dice::new(self.seed, About::Session, &[viewer, self.begun]);
        Some(Session {
            user_id: ViewerName::numbered(viewer + 1),
            taste: Taste::new(&mut Dice::new(self.seed, About::Viewer, &[viewer])),
            to_be_shown: SHOWN_MIN + dice.below(SHOWN_MORE + 1),
            dice,
            acts: VecDeque::new(),
        })
    }
}

impl Iterator for Audience {
    type Item = Act;

    fn next(&mut self) -> Option<Act> {
        loop {
            let at = self.dice.below(SESSIONS) as usize;
            if at >= self.sessions.len() {
                let session = self.begin()?;
                self.sessions.push(session);
            }
            let at = at.min(self.sessions.len() - 1);
            match self.sessions[at].act(&self.movies) {
                Some(act) => return Some(act),
                None => {
                    self.sessions.swap_remove(at);
                }
            }
        }
    }
}

impl Session {
    fn act(&mut self, movies: &[Movie]) -> Option<Act> {
        if self.acts.is_empty() {
            self.to_be_shown = self.to_be_shown.checked_sub(1)?;
            let movie = self.find(movies)?;
            self.meet(movie);
        }
        self.acts.pop_front()
    }

    /// The movie that is shown next.
    fn find<'a>(&mut self, movies: &'a [Movie]) -> Option<&'a Movie> {
        let mut movie = None;
        for _ in 0..LOOKS {
            let at = self.dice.zipf(movies.len() as u64);
            movie = movies.get(at as usize);
            if movie.is_some_and(|movie| self.taste.takes(movie.genres, &mut self.dice)) {
                break;
            }
        }
        movie
    }

    /// How far the viewer goes with the movie.
    fn meet(&mut self, movie: &Movie) {
        let quality = if movie.showing.vote_average > 0.0 { movie.showing.vote_average } else { UNRATED };
        let stars = self.taste.stars(quality, movie.genres, &mut self.dice);
        let liked = self.taste.likes(movie.genres);
        // One in eight was looked for and not stumbled upon.
        let sought = self.dice.one_in(8);
        self.does(movie, Did::Event(if sought { EventType::Search } else { EventType::Impression }));
        if !sought && !self.dice.one_in(if liked { 2 } else { 6 }) {
            return;
        }
        self.does(movie, Did::Event(EventType::Click));
        if self.dice.one_in(10) {
            return;
        }
        self.does(movie, Did::Event(EventType::View));
        if !self.dice.one_in(if liked { 2 } else { 4 }) {
            return;
        }
        self.does(movie, Did::Event(EventType::Watch));
        match stars {
            8.0.. => self.does(movie, Did::Event(EventType::Like)),
            ..=4.0 => self.does(movie, Did::Event(EventType::Dislike)),
            _ => {}
        }
        if !self.dice.one_in(2) {
            return;
        }
        self.does(movie, Did::Rate(stars));
        if self.dice.one_in(4) {
            let content = words::review(stars, &movie.showing.title, &mut self.dice);
            self.does(movie, Did::Review(stars, content));
        }
    }

    fn does(&mut self, movie: &Movie, did: Did) {
        self.acts.push_back(Act { user_id: self.user_id.clone(), movie_id: movie.showing.movie_id, did });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use domain::events::{MovieNames, SentEvents, validate_review};

    use super::*;

    fn movies(count: i64) -> Vec<Showing> {
        let genre = |n: i64| words::GENRES[n as usize % words::GENRES.len()].to_owned();
        let movie = |n| Showing {
            movie_id: MovieId::new(n).unwrap(),
            title: format!("Movie {n}"),
            genres: vec![genre(n), genre(n / 3)],
            vote_average: (n % 11) as f64,
        };
        (1..=count).map(movie).collect()
    }

    fn acts(seed: u64, count: usize) -> Vec<Act> {
        Audience::new(seed, movies(200)).unwrap().take(count).collect()
    }

    /// Its place in the funnel, and its name.
    fn step(act: &Act) -> (u8, &'static str) {
        match act.did {
            Did::Event(kind @ (EventType::Impression | EventType::Search)) => (0, kind.as_str()),
            Did::Event(EventType::Click) => (1, "click"),
            Did::Event(EventType::View) => (2, "view"),
            Did::Event(EventType::Watch) => (3, "watch"),
            Did::Event(kind) => (4, kind.as_str()),
            Did::Rate(_) => (5, "rating"),
            Did::Review(..) => (6, "review"),
        }
    }

    #[test]
    fn the_same_seed_plays_the_same_and_another_differs() {
        assert_eq!(acts(1, 2_000), acts(1, 2_000));
        assert_ne!(acts(1, 2_000), acts(2, 2_000));
        assert!(Audience::new(1, Vec::new()).is_none());
    }

    #[test]
    fn nobody_skips_a_step_on_the_way_from_impression_to_review() {
        // Two sessions of one viewer may come upon the same movie side by side, so all that was done counts.
        let mut done: BTreeMap<(ViewerName, MovieId), BTreeSet<u8>> = BTreeMap::new();
        for act in acts(1, 50_000) {
            let (step, name) = step(&act);
            let done = done.entry((act.user_id.clone(), act.movie_id)).or_default();
            let follows = match step {
                0 => true,
                // Nobody has to like or dislike, but only who has watched does, and only who has watched rates.
                4 | 5 => done.contains(&3),
                step => done.contains(&(step - 1)),
            };
            assert!(follows, "{name} after {done:?}");
            done.insert(step);
        }
    }

    #[test]
    fn fewer_go_further_and_popular_movies_are_seen_more() {
        let (mut did, mut seen): (BTreeMap<_, i32>, BTreeMap<_, i32>) = Default::default();
        for act in acts(7, 50_000) {
            *did.entry(step(&act).1).or_default() += 1;
            *seen.entry(act.movie_id.get()).or_default() += 1;
        }
        let funnel = ["impression", "click", "view", "watch", "rating", "review"].map(|name| did[name]);
        assert!(funnel.is_sorted_by(|a, b| a > b), "{did:?}");
        assert!(did["like"] > 0 && did["dislike"] > 0 && did["search"] > 0, "{did:?}");
        // A few in a thousand acts are reviews: each is a request of its own.
        assert!((50..1_000).contains(&did["review"]), "{did:?}");
        let share = |ids: std::ops::RangeInclusive<i64>| ids.filter_map(|id| seen.get(&id)).sum::<i32>();
        assert!(share(1..=20) > 3 * share(101..=120), "{seen:?}");
        assert!(seen.len() > 190, "the long tail is seen too");
    }

    #[test]
    fn the_api_takes_what_viewers_do() {
        let now = domain::clock::storable(Utc::now());
        for act in acts(3, 5_000) {
            match act.at(now) {
                Fact::Event(event) => {
                    let sent = SentEvents::parse(&serde_json::to_vec(&[&event]).unwrap()).unwrap();
                    assert_eq!(sent.validate(&MovieNames::new(), now).accepted, [event]);
                }
                Fact::Review(review) => {
                    let sent = serde_json::from_value(serde_json::to_value(&review).unwrap()).unwrap();
                    assert_eq!(validate_review(sent, &MovieNames::new(), now).unwrap(), review);
                }
            }
        }
    }
}
