use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

const GENRES: [&str; 3] = ["Drama", "Comedy", "Action"];

/// The facts about a movie; times are minutes before [`now`].
#[derive(Debug, Clone)]
struct Facts {
    shown: bool,
    genres: Vec<usize>,
    base: Numbers,
    observations: BTreeMap<i64, Numbers>,
    /// Minute, and the stars of a rating; `None` for any other event.
    events: Vec<(i64, Option<u8>)>,
}

fn now() -> DateTime<Utc> {
    "2026-03-10T12:34:56.789Z".parse().unwrap()
}

fn ago(minutes: i64) -> DateTime<Utc> {
    now() - TimeDelta::minutes(minutes)
}

fn movie_id(id: usize) -> MovieId {
    MovieId::new(id as i64 + 1).unwrap()
}

fn movie(id: usize, facts: &Facts) -> Movie {
    let mut last: BTreeMap<Hour, Observed> = BTreeMap::new();
    // Oldest first, so that the last one of an hour remains.
    for (minutes, numbers) in facts.observations.iter().rev() {
        last.insert(Hour::of(ago(*minutes)), Observed::new(ago(*minutes), *numbers));
    }
    let mut hours: BTreeMap<Hour, (i64, f64)> = BTreeMap::new();
    for (minutes, stars) in &facts.events {
        let hour = hours.entry(Hour::of(ago(*minutes))).or_default();
        if let Some(stars) = stars {
            *hour = (hour.0 + 1, hour.1 + f64::from(*stars) / 2.0);
        }
    }
    let latest = facts.observations.iter().next().map(|(minutes, numbers)| Observed::new(ago(*minutes), *numbers));
    Movie {
        movie_id: movie_id(id),
        title: format!("Movie {id}"),
        genres: facts.genres.iter().map(|at| GENRES[*at].to_owned()).collect(),
        shown: facts.shown,
        base: facts.base,
        latest,
        observed: last.into_values().rev().collect(),
        touched: hours.into_iter().rev().map(|(hour, (ratings, sum))| Touched::new(hour, ratings, sum)).collect(),
    }
}

/// The ranking computed from all facts by the text of the formula: movie, score and votes.
fn naive(movies: &[Facts], hours: i64, genre: Option<usize>, limit: usize) -> Vec<(MovieId, f64, i64)> {
    let since = Hour::of(now()).plus(-hours).start();
    let mut ranked = Vec::new();
    for (id, facts) in movies.iter().enumerate() {
        let events: Vec<_> = facts.events.iter().filter(|(minutes, _)| ago(*minutes) >= since).collect();
        // The first hour's observation is the last one made in that hour.
        let first_hour = facts.observations.keys().filter(|minutes| ago(**minutes) >= since).max();
        let first = first_hour.map(|oldest| {
            let same = |minutes: &&i64| Hour::of(ago(**minutes)) == Hour::of(ago(*oldest));
            let minutes = facts.observations.keys().filter(same).min().unwrap();
            (ago(*minutes), facts.observations[minutes])
        });
        let hidden = !facts.shown || genre.is_some_and(|genre| !facts.genres.contains(&genre));
        if hidden || (events.is_empty() && first.is_none()) {
            continue;
        }
        let latest = facts.observations.iter().next();
        let current = latest.map_or(facts.base, |(_, numbers)| *numbers);
        let stars: Vec<f64> = events.iter().filter_map(|(_, stars)| stars.map(|s| f64::from(s) / 2.0)).collect();
        let votes = current.vote_count + stars.len() as i64;
        let average = match stars.len() {
            0 => current.vote_average,
            _ => (current.vote_average * current.vote_count as f64 + stars.iter().sum::<f64>()) / votes as f64,
        };
        let (rating_change, vote_change) = match (first, latest) {
            (Some((at, then)), Some((minutes, _))) => {
                let span = ((ago(*minutes) - at).num_microseconds().unwrap() as f64 / 3.6e9).max(1.0);
                (
                    (current.vote_average - then.vote_average) / span,
                    (current.vote_count - then.vote_count) as f64 / span,
                )
            }
            _ => (0.0, 0.0),
        };
        let rating_velocity = rating_change + (average - current.vote_average) / hours as f64;
        let vote_velocity = vote_change + stars.len() as f64 / hours as f64;
        let score = 0.4 * current.popularity + 300.0 * rating_velocity + 2.0 * average + 0.01 * vote_velocity;
        ranked.push((movie_id(id), score, votes));
    }
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.truncate(limit);
    ranked
}

fn numbers() -> impl Strategy<Value = Numbers> {
    // Coarse values, so that movies tie.
    (0..6u32, 0..20u32, 0..50i64).prop_map(|(popularity, average, vote_count)| Numbers {
        popularity: f64::from(popularity) * 2.5,
        vote_average: f64::from(average) / 2.0,
        vote_count,
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    (
        prop::bool::weighted(0.9),
        prop::collection::vec(0..GENRES.len(), 0..3),
        numbers(),
        prop::collection::btree_map(0..50 * 60i64, numbers(), 0..6),
        prop::collection::vec((0..50 * 60i64, prop::option::of(1..=20u8)), 0..6),
    )
        .prop_map(|(shown, genres, base, observations, events)| Facts {
            shown,
            genres,
            base,
            observations,
            events,
        })
}

fn same(ranking: &Ranking, naive: &[(MovieId, f64, i64)]) -> Result<(), TestCaseError> {
    let ranked: Vec<_> = ranking.places.iter().map(|p| (p.trend.movie_id, p.trend.vote_count)).collect();
    prop_assert_eq!(ranked, naive.iter().map(|(id, _, votes)| (*id, *votes)).collect::<Vec<_>>());
    for (place, (_, score, _)) in ranking.places.iter().zip(naive) {
        prop_assert!((place.trend.score - score).abs() < 1e-9, "{} is not {score}", place.trend.score);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Holds whatever was kept of movies before, in whatever order they are put, and whether or not old hours were
    /// dropped.
    #[test]
    fn the_ranking_is_the_formulas_own(
        movies in prop::collection::vec(facts(), 0..12),
        before in prop::collection::vec(facts(), 0..6),
        hours in 1..=48u32,
        genre in prop::option::of(0..GENRES.len()),
        limit in 1..15usize,
        forget in any::<bool>(),
    ) {
        let mut active = Active::default();
        before.iter().enumerate().take(movies.len()).for_each(|(id, facts)| active.put(movie(id, facts)));
        movies.iter().enumerate().rev().for_each(|(id, facts)| active.put(movie(id, facts)));
        if forget {
            active.forget_before(Span::last(48, now()).since);
        }
        let ranking = active.rank(Span::last(hours, now()), genre.map(|at| GENRES[at]), limit);
        same(&ranking, &naive(&movies, i64::from(hours), genre, limit))?;
        prop_assert_eq!(ranking.movies, naive(&movies, i64::from(hours), genre, usize::MAX).len());
    }
}

fn rated(id: usize, hours_ago: i64) -> Movie {
    let numbers = Numbers { popularity: 1.0, vote_average: 5.0, vote_count: 10 };
    Movie {
        movie_id: movie_id(id),
        title: "A movie".into(),
        genres: vec!["Drama".into()],
        shown: true,
        base: numbers,
        latest: None,
        observed: Vec::new(),
        touched: vec![Touched::new(Hour::of(now()).plus(-hours_ago), 1, 8.0)],
    }
}

#[test]
fn hours_and_movies_leave_when_their_time_is_over() {
    let mut active = Active::default();
    active.put(rated(1, 48));
    active.put(rated(2, 49));
    active.forget_before(Span::last(48, now()).since);
    assert_eq!(active.len(), 1);
    active.put(Movie { touched: Vec::new(), ..rated(1, 0) });
    assert!(active.is_empty(), "a movie without hours is not active");
}

#[test]
fn a_ranking_says_what_it_was_made_of_and_finds_genres_in_any_case() {
    let mut active = Active::default();
    active.put(rated(1, 5));
    let observed = [Observed::new(ago(90), rated(2, 0).base), Observed::new(ago(10), rated(2, 0).base)];
    active.put(Movie { latest: Some(observed[1]), observed: observed.to_vec(), ..rated(2, 3) });
    active.put(Movie { shown: false, ..rated(3, 1) });
    let ranking = active.rank(Span::last(6, now()), Some("dRAMA"), 1);
    let hour = |ago: i64| Hour::of(now()).plus(-ago);
    assert_eq!((ranking.movies, ranking.observed, ranking.places.len()), (2, 2, 1));
    assert_eq!(ranking.hours, Some((hour(5), hour(0))));
    assert_eq!(ranking.places[0].genres, ["Drama"]);
    assert_eq!(active.rank(Span::last(6, now()), Some("Western"), 1), Ranking::default());
}

#[test]
fn beyond_the_bound_the_movies_of_the_oldest_hours_go() {
    let mut active = Active::default();
    for id in 0..=MAX_MOVIES + SLACK {
        active.put(rated(id, if id % 30 == 0 { 40 } else { 2 }));
    }
    assert_eq!(active.len(), MAX_MOVIES);
    let old = active.rank(Span::last(48, now()), None, 1).hours.map(|(first, _)| first);
    let left = (MAX_MOVIES + SLACK + 1).div_ceil(30);
    assert!(left < SLACK, "all of them fit into what went");
    assert_eq!(old, Some(Hour::of(now()).plus(-2)));
}
