//! The one reading of a movie that TMDB's API and every dump share: dumps are TMDB's own shapes, flattened into CSV.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use domain::events::Observation;
use domain::genre_stats::canonical;
use domain::movies::{CastMember, Credits, DailyMetrics, MAX_CAST, Movie, Person, known};
use domain::{MovieId, PersonId};
use serde_json::Value;

use crate::lenient::{date, integer, list, number, text};

// Longest texts kept, in bytes. Far above what is real; they keep one vandalised record from bloating every table,
// index and search document it enters.
const MAX_TITLE: usize = 500;
const MAX_NAME: usize = 200;
const MAX_OVERVIEW: usize = 10_000;
const MAX_WORD: usize = 100;

/// Most entries kept of lists that are otherwise unbounded.
const MAX_GENRES: usize = 20;
const MAX_KEYWORDS: usize = 200;
const MAX_DIRECTORS: usize = 20;

/// Above these a number is vandalism: the costliest movie ever is under 1e9 dollars, the longest runs 51,420 minutes.
const MAX_MONEY: i64 = 1_000_000_000_000;
const MAX_RUNTIME: i64 = 100_000;
const MAX_POPULARITY: f64 = 1_000_000.0;
const MAX_VOTES: i64 = 1_000_000_000;

/// Why a record is no movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Defect {
    pub field: &'static str,
    pub reason: &'static str,
}

/// The id of a record, or what is wrong with it.
pub(crate) fn movie_id(value: &Value) -> Result<MovieId, Defect> {
    integer(value)
        .and_then(|id| MovieId::new(id).ok())
        .ok_or(Defect { field: "id", reason: "must be a whole number from 1 up" })
}

/// A movie out of TMDB's detail shape. Only an id and a title are needed; whatever else is missing or odd stays unknown.
pub(crate) fn movie(body: &Value) -> Result<Movie, Defect> {
    let id = movie_id(&body["id"])?;
    let original_title = text(&body["original_title"], MAX_TITLE);
    let title = text(&body["title"], MAX_TITLE)
        .or_else(|| original_title.clone())
        .ok_or(Defect { field: "title", reason: "must not be empty" })?;
    Ok(Movie {
        original_title,
        overview: text(&body["overview"], MAX_OVERVIEW),
        tagline: text(&body["tagline"], MAX_TITLE),
        release_date: date(&body["release_date"]),
        runtime: amount(&body["runtime"], MAX_RUNTIME).and_then(|minutes| i32::try_from(minutes).ok()),
        budget: amount(&body["budget"], MAX_MONEY),
        revenue: amount(&body["revenue"], MAX_MONEY),
        original_language: text(&body["original_language"], MAX_WORD),
        status: text(&body["status"], MAX_WORD),
        imdb_id: text(&body["imdb_id"], MAX_WORD).filter(|id| id.starts_with("tt")),
        poster_path: text(&body["poster_path"], MAX_NAME),
        popularity: clamped(&body["popularity"], MAX_POPULARITY),
        vote_average: clamped(&body["vote_average"], 10.0),
        vote_count: votes(&body["vote_count"]),
        genres: genres(&body["genres"]),
        keywords: keywords(&body["keywords"]),
        credits: credits(&body["credits"]),
        ..Movie::titled(id, title)
    })
}

/// The movie's numbers as a snapshot of `day`.
pub(crate) fn metrics(movie: &Movie, day: NaiveDate) -> DailyMetrics {
    DailyMetrics {
        movie_id: movie.id,
        day,
        popularity: movie.popularity,
        vote_average: movie.vote_average,
        vote_count: movie.vote_count,
    }
}

/// The numbers of an entry in one of TMDB's lists, seen at `at`. Unlike a movie without numbers, an observation without
/// them says nothing.
pub(crate) fn observation(entry: &Value, at: DateTime<Utc>) -> Result<Observation, Defect> {
    let movie_id = movie_id(&entry["id"])?;
    for field in ["popularity", "vote_average", "vote_count"] {
        if number(&entry[field]).is_none() {
            return Err(Defect { field, reason: "must be a number" });
        }
    }
    Ok(Observation {
        movie_id,
        observed_at: at,
        popularity: clamped(&entry["popularity"], MAX_POPULARITY),
        vote_average: clamped(&entry["vote_average"], 10.0),
        vote_count: votes(&entry["vote_count"]),
    })
}

/// Cast in billing order and directors out of `{"cast": [...], "crew": [...]}`. A person counts once, at the first
/// billing; entries without id or name are left out.
pub(crate) fn credits(body: &Value) -> Credits {
    let mut billing: Vec<&Value> = list(&body["cast"]).iter().collect();
    billing.sort_by_key(|entry| integer(&entry["order"]).unwrap_or(i64::MAX));
    let mut billed = HashSet::new();
    let cast = billing
        .into_iter()
        .filter_map(|entry| Some((person(entry)?, text(&entry["character"], MAX_NAME))))
        .filter(|(person, _)| billed.insert(person.id))
        .take(MAX_CAST)
        .zip(0..)
        .map(|((person, character), position)| CastMember { person, character, position })
        .collect();
    let mut named = HashSet::new();
    let directors = list(&body["crew"])
        .iter()
        .filter(|entry| entry["job"] == "Director")
        .filter_map(person)
        .filter(|person| named.insert(person.id))
        .take(MAX_DIRECTORS)
        .collect();
    Credits { cast, directors }
}

/// Keywords in lower case, from a list or from the object (`keywords` for movies, `results` elsewhere) that wraps it.
pub(crate) fn keywords(body: &Value) -> Vec<String> {
    let entries = [body, &body["keywords"], &body["results"]].into_iter().find_map(Value::as_array);
    let words = entries.into_iter().flatten().filter_map(name).map(|word| word.to_lowercase());
    distinct(words, MAX_KEYWORDS)
}

/// Genres in the vocabulary that all sources share.
pub(crate) fn genres(body: &Value) -> Vec<String> {
    distinct(list(body).iter().filter_map(name).filter_map(|genre| canonical(&genre)), MAX_GENRES)
}

/// The first `max` different ones, in order.
pub(crate) fn distinct(words: impl Iterator<Item = String>, max: usize) -> Vec<String> {
    let mut seen = HashSet::new();
    words.filter(|word| seen.insert(word.clone())).take(max).collect()
}

fn name(entry: &Value) -> Option<String> {
    text(entry.get("name").unwrap_or(entry), MAX_WORD)
}

fn person(entry: &Value) -> Option<Person> {
    let id = PersonId::new(integer(&entry["id"])?).ok()?;
    Some(Person { id, name: text(&entry["name"], MAX_NAME)? })
}

fn amount(value: &Value, max: i64) -> Option<i64> {
    integer(value).and_then(known).filter(|amount| *amount <= max)
}

fn votes(value: &Value) -> i64 {
    integer(value).map_or(0, |votes| votes.clamp(0, MAX_VOTES))
}

fn clamped(value: &Value, max: f64) -> f64 {
    number(value).map_or(0.0, |number| number.clamp(0.0, max))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_id_and_a_title_are_needed() {
        let matrix = movie(&json!({"id": "603", "title": null, "original_title": "Matrix"})).unwrap();
        assert_eq!((matrix.id.get(), matrix.title.as_str()), (603, "Matrix"));
        assert_eq!(movie(&json!({"id": 603, "title": " "})).unwrap_err().field, "title");
        for id in [json!(0), json!(-5), json!(null), json!("1997-08-20"), json!(1.5), json!([1])] {
            assert_eq!(movie(&json!({"id": id, "title": "x"})).unwrap_err().field, "id");
        }
    }

    #[test]
    fn odd_values_become_unknown_or_are_clamped() {
        let movie = movie(&json!({
            "id": 1, "title": "x", "popularity": "0.89", "vote_average": 99, "vote_count": -3, "budget": 0,
            "revenue": "2787965087", "runtime": 162.0, "release_date": "", "genres": {"no": "list"}, "imdb_id": "",
            "keywords": {"keywords": [{"name": "Anti War"}, {"name": "anti war"}, 5, {"id": 7}]}, "credits": "none"
        }))
        .unwrap();
        assert_eq!((movie.popularity, movie.vote_average, movie.vote_count), (0.89, 10.0, 0));
        assert_eq!((movie.budget, movie.revenue, movie.runtime), (None, Some(2_787_965_087), Some(162)));
        assert_eq!((movie.release_date, movie.imdb_id), (None, None));
        assert_eq!(movie.keywords, ["anti war", "5"]);
        assert!(movie.genres.is_empty() && movie.credits == Credits::default());
    }

    #[test]
    fn cast_is_in_billing_order_and_cut() {
        let mut cast: Vec<Value> =
            (0..80).rev().map(|n| json!({"id": n + 1, "name": format!("N{n}"), "order": n, "character": ""})).collect();
        cast.insert(0, json!({"id": 1, "name": "N0", "order": 99, "character": "second role"}));
        cast.insert(0, json!({"id": "?", "name": "nobody", "order": 0}));
        let crew = json!([{"id": 5, "name": "D", "job": "Director"}, {"id": 6, "name": "P", "job": "Producer"},
                          {"id": 5, "name": "D", "job": "Director"}]);
        let credits = credits(&json!({"cast": cast, "crew": crew}));
        assert_eq!(credits.cast.len(), MAX_CAST);
        assert_eq!((credits.cast[0].person.name.as_str(), credits.cast[0].position), ("N0", 0));
        assert_eq!(credits.cast[49].person.name, "N49");
        assert_eq!(credits.directors.len(), 1);
    }

    /// JSON of any shape, with the names that the parser looks for.
    pub(crate) fn any_json() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            Just("id"),
            Just("title"),
            Just("popularity"),
            Just("genres"),
            Just("name"),
            Just("credits"),
            Just("cast"),
            Just("crew"),
            Just("job"),
            Just("order"),
            Just("keywords"),
            Just("results"),
            Just("reviews"),
            Just("content"),
            Just("created_at"),
            Just("release_date"),
            Just("runtime"),
            Just("budget"),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            (1i64..9).prop_map(Value::from),
            Just(json!("1999-10-15")),
            Just(json!("Director")),
        ];
        leaf.prop_recursive(5, 60, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..12)
                    .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_a_movie_or_a_defect(body in any_json()) {
            if let Ok(movie) = movie(&body) {
                prop_assert!(movie.popularity.is_finite() && (0.0..=10.0).contains(&movie.vote_average));
                prop_assert!(movie.vote_count >= 0 && movie.credits.cast.len() <= MAX_CAST);
            }
        }
    }
}
