//! The demo world as its users see it.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use domain::MovieId;
use domain::ingest::Record;
use domain::movies::{DailyMetrics, Movie, Rating, Review};
use sources::demo::{DEMO_ACTIVE_MOVIES, DEMO_MAX_REVIEWS, DemoConfig, embedded_movies, world};

use crate::day;

fn small() -> DemoConfig {
    DemoConfig { users: 80, ratings: 4_001, days: 20, ..DemoConfig::new(day("2026-11-22")) }
}

#[derive(Default, PartialEq, Debug)]
struct World {
    movies: Vec<Movie>,
    metrics: Vec<DailyMetrics>,
    ratings: Vec<Rating>,
    reviews: Vec<Review>,
}

fn read(config: DemoConfig) -> World {
    let mut found = World::default();
    let mut stage = 0;
    for record in world(config) {
        let (at, ()) = match record {
            Record::Movie(movie) => (0, found.movies.push(*movie)),
            Record::Metrics(metrics) => (1, found.metrics.push(metrics)),
            Record::Rating(rating) => (2, found.ratings.push(rating)),
            Record::Review(review) => (3, found.reviews.push(review)),
            other => panic!("{other:?}"),
        };
        assert!(at >= stage, "movies, then metrics, then ratings, then reviews");
        stage = at;
    }
    found
}

fn date_of(rating: &Rating) -> NaiveDate {
    rating.rated_at.date_naive()
}

#[test]
fn the_same_day_is_the_same_world_and_another_seed_another() {
    assert_eq!(read(small()), read(small()));
    assert_ne!(read(small()).ratings, read(DemoConfig { seed: 7, ..small() }).ratings);
}

#[test]
fn counts_are_as_configured_and_pairs_are_unique() {
    for (users, ratings, movies, expected) in [
        (80, 4_001, 500, 4_001),
        (7, 3, 500, 3),
        (3, 10_000, 50, 150),
        (1, 20, 424, 20),
        (0, 9, 10, 0),
        (9, 0, 10, 0),
        (9, 9, 0, 0),
    ] {
        let found = read(DemoConfig { users, ratings, movies, days: 2, ..small() });
        assert_eq!((found.movies.len() as u64, found.metrics.len() as u64), (movies, movies * 2));
        let pairs: HashSet<_> = found.ratings.iter().map(|rating| (rating.user_id, rating.movie_id)).collect();
        assert_eq!((found.ratings.len(), pairs.len()), (expected, expected), "{users} users");
        assert!(found.ratings.iter().all(|rating| (1..=users as i64).contains(&rating.user_id)));
        assert!(found.ratings.iter().all(|rating| (1.0..=10.0).contains(&rating.rating)));
    }
}

#[test]
fn the_first_movies_are_real_and_their_numbers_are_those_of_today() {
    let found = read(DemoConfig { movies: embedded_movies() + 10, ..small() });
    let real = embedded_movies() as usize;
    assert!(found.movies[..real].iter().all(|movie| movie.id.get() < MovieId::SYNTHETIC_BASE));
    assert!(found.movies[real..].iter().all(|movie| movie.id.get() > MovieId::SYNTHETIC_BASE));
    assert_eq!(found.movies[real].id.get(), MovieId::SYNTHETIC_BASE + 1);
    let godfather = found.movies.iter().find(|movie| movie.id.get() == 238).unwrap();
    assert_eq!(godfather.title, "The Godfather");
    assert!(godfather.overview.as_deref().unwrap().contains("Francis Ford Coppola"));
    let today: HashMap<_, _> = found
        .metrics
        .iter()
        .filter(|metrics| metrics.day == day("2026-11-22"))
        .map(|metrics| (metrics.movie_id, metrics))
        .collect();
    assert_eq!(today.len(), found.movies.len());
    for movie in &found.movies {
        let numbers = today[&movie.id];
        assert_eq!(
            (movie.popularity, movie.vote_average, movie.vote_count),
            (numbers.popularity, numbers.vote_average, numbers.vote_count)
        );
    }
}

#[test]
fn the_next_day_adds_a_day_and_changes_nothing_before() {
    let (today, tomorrow) = (read(small()), read(DemoConfig { today: day("2026-11-23"), ..small() }));
    let days = |world: &World| world.metrics.iter().map(|metrics| metrics.day).collect::<HashSet<_>>();
    assert_eq!(days(&tomorrow).difference(&days(&today)).collect::<Vec<_>>(), [&day("2026-11-23")]);
    let known: HashMap<_, _> = today.metrics.iter().map(|metrics| ((metrics.movie_id, metrics.day), metrics)).collect();
    for metrics in tomorrow.metrics.iter().filter(|metrics| metrics.day < day("2026-11-23")) {
        assert_eq!(known[&(metrics.movie_id, metrics.day)], metrics);
    }
    // The ratings of the day that left the window recur as those of the day that has ended; all others are the same.
    let (left, ended) = (day("2026-11-02"), day("2026-11-22"));
    let mut moved = 0;
    for (before, after) in today.ratings.iter().zip(&tomorrow.ratings) {
        assert_eq!((before.user_id, before.movie_id, before.rating), (after.user_id, after.movie_id, after.rating));
        if before != after {
            assert_eq!((date_of(before), date_of(after)), (left, ended));
            moved += 1;
        }
    }
    assert_eq!(today.ratings.len(), tomorrow.ratings.len());
    assert!((100..350).contains(&moved), "{moved}");
    let ids = |world: &World| world.reviews.iter().map(|review| review.review_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&today), ids(&tomorrow));
}

#[test]
fn ratings_lie_in_the_full_days_before_today_and_reviews_follow_their_tone() {
    let found = read(DemoConfig { ratings: 20_000, users: 600, ..small() });
    assert!(found.ratings.iter().all(|rating| (day("2026-11-02")..day("2026-11-22")).contains(&date_of(rating))));
    let days: HashSet<_> = found.ratings.iter().map(date_of).collect();
    assert_eq!(days.len(), 20);
    assert!((700..1_300).contains(&found.reviews.len()), "{}", found.reviews.len());
    let loud = |word: &str, stars: fn(f32) -> bool| {
        found.reviews.iter().filter(|review| stars(review.rating.unwrap())).any(|review| review.content.contains(word))
    };
    assert!(loud("masterpiece", |stars| stars >= 7.0) && !loud("masterpiece", |stars| stars < 7.0));
    assert!(loud("Avoid it", |stars| stars <= 4.0) && !loud("Avoid it", |stars| stars > 4.0));
}

#[test]
fn movies_differ_in_how_many_rate_them_and_how_well() {
    let found = read(DemoConfig { ratings: 20_000, users: 600, days: 1, ..small() });
    let mut by_movie: HashMap<MovieId, Vec<f32>> = HashMap::new();
    found.ratings.iter().for_each(|rating| by_movie.entry(rating.movie_id).or_default().push(rating.rating));
    let mut counts: Vec<usize> = by_movie.values().map(Vec::len).collect();
    counts.sort_unstable();
    assert!(counts.iter().rev().take(40).sum::<usize>() > 20_000 / 4, "few movies have many ratings");
    assert!(counts.iter().max() < Some(&500), "no movie is rated by everybody");
    let means: Vec<f32> = by_movie
        .values()
        .filter(|stars| stars.len() > 30)
        .map(|stars| stars.iter().sum::<f32>() / stars.len() as f32)
        .collect();
    let (low, high) = means.iter().fold((10f32, 0f32), |(low, high), mean| (low.min(*mean), high.max(*mean)));
    assert!(high - low > 1.2, "means from {low} to {high}");
}

#[test]
fn ten_thousand_movies_are_as_they_would_be_among_more() {
    let config = DemoConfig { movies: 10_000, ratings: 0, days: 1, ..small() };
    let found = read(config.clone());
    assert_eq!(found.movies.iter().map(|movie| movie.id).collect::<HashSet<_>>().len(), 10_000);
    let larger: Vec<Record> = world(DemoConfig { movies: 1_000_000, ..config }).take(10_000).collect();
    assert!(
        found
            .movies
            .iter()
            .zip(&larger)
            .all(|(movie, record)| matches!(record, Record::Movie(other) if **other == *movie))
    );
}

#[test]
fn the_largest_world_has_bounded_metrics_and_reviews() {
    let movies = DEMO_ACTIVE_MOVIES + 5;
    let config = DemoConfig { movies, users: 3_000, ratings: 450_000, days: 3, ..small() };
    let mut metrics = 0;
    let mut reviews = 0;
    for record in world(config) {
        match record {
            Record::Metrics(_) => metrics += 1,
            Record::Review(_) => reviews += 1,
            _ => {}
        }
    }
    assert_eq!((metrics, reviews), (3 * DEMO_ACTIVE_MOVIES + 5, DEMO_MAX_REVIEWS));
}
