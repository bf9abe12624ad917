//! The bodies of seeds 1 and 2 as fixtures, asked of the API over facts in both layers: every field is there and of its
//! type, and parameters, status codes and cache times are the seeds'. Fields may be added, never dropped or renamed.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use domain::artifacts::CacheFamily;
use domain::events::{EventType, Observation};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::speed::{self, MicroBatch};
use test_support::fixture::{self, movie_id};
use test_support::{batch, live};

use crate::app::{Answer, TestApp, settings};

/// A body of a seed, and how it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// Where the seed has it.
    section: String,
    request: String,
    /// Asked before.
    #[serde(default)]
    after: Vec<String>,
    /// Requests with bodies of the same shape.
    #[serde(default)]
    also: Vec<String>,
    /// The seed's cache time in seconds; none: not cached.
    max_age: Option<u64>,
    /// Counts live facts.
    #[serde(default)]
    live: bool,
    /// As the seed writes it. Null takes anything.
    body: Value,
    /// Fields that are served elsewhere in the body, where the seed describes stored documents.
    #[serde(default)]
    served_at: BTreeMap<String, String>,
    /// The seed's values of a field.
    one_of: BTreeMap<String, Vec<String>>,
    parameters: BTreeMap<String, Parameter>,
    /// Requests that are answered 400, by the parameter at fault.
    #[serde(default)]
    refused: BTreeMap<String, Vec<String>>,
    not_found: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameter {
    default: Option<String>,
    taken: Vec<String>,
    refused: Vec<String>,
}

macro_rules! contract {
    ($($name:ident: $file:literal,)*) => { $(
        #[sqlx::test(migrator = "storage::MIGRATOR")]
        async fn $name(pool: PgPool) {
            keeps(&pool, include_str!(concat!("../contract/", $file, ".json"))).await;
        }
    )* };
}

contract! {
    seed_1_section_2_2_routing: "seed-1-section-2.2-routing",
    seed_1_section_3_1_movie: "seed-1-section-3.1-movie",
    seed_1_section_3_1_sentiment: "seed-1-section-3.1-sentiment",
    seed_1_section_3_2_trending: "seed-1-section-3.2-trending",
    seed_1_section_3_3_genre_analytics: "seed-1-section-3.3-genre-analytics",
    seed_1_section_3_3_trends: "seed-1-section-3.3-trends",
    seed_1_section_3_4_search: "seed-1-section-3.4-search",
    seed_1_section_3_5_health: "seed-1-section-3.5-health",
    seed_2_data_models_genre_analytics: "seed-2-data-models-genre-analytics",
    seed_2_data_models_sentiment: "seed-2-data-models-sentiment",
}

const GOOD: &str = "A wonderful film, I loved it.";

/// Facts about The Godfather and The Matrix, before and after a batch run, through the writers that services use.
async fn populate(pool: &PgPool) {
    fixture::small(pool).await;
    let now = Utc::now();
    let noon = |back| (fixture::today() - Days::new(back)).and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(12);
    let apply = async |times: &[DateTime<Utc>]| {
        let movies = || [238, 603].into_iter().flat_map(|movie| times.iter().map(move |at| (movie, *at)));
        let events = movies().flat_map(|(movie, at)| EventType::ALL.map(|kind| live::event(movie, kind, at))).collect();
        let reviews = movies().map(|(movie, at)| live::review(movie, GOOD, at)).collect();
        live::apply(pool, &MicroBatch { events, reviews }).await.unwrap();
    };
    // History: the days that trends are of, and the days before the cutoff.
    apply(&[noon(2), noon(1), noon(0), now - TimeDelta::days(5), now - TimeDelta::days(4)]).await;
    batch::events(pool, now).await;
    batch::views(pool).await;
    apply(&[now - TimeDelta::hours(3), now]).await;
    let seen = |movie, hours, popularity, vote_average| Observation {
        movie_id: movie_id(movie),
        observed_at: now + TimeDelta::hours(hours),
        popularity,
        vote_average,
        vote_count: 1_200,
    };
    let observed = [seen(603, -4, 80.0, 8.0), seen(603, 0, 90.0, 8.4), seen(238, 0, 95.0, 8.7)];
    speed::record(&mut pool.acquire().await.unwrap(), &observed).await.unwrap();
}

async fn keeps(pool: &PgPool, fixture: &str) {
    let mut fixture: Fixture = serde_json::from_str(fixture).unwrap();
    populate(pool).await;
    let mut settings = settings(pool);
    settings.cache.ttl =
        CacheFamily::ALL.map(|family| (family, std::time::Duration::from_secs(family.default_ttl_seconds()))).to_vec();
    let app = TestApp::run(settings).await;
    for path in &fixture.after {
        app.get(path).await.ok();
    }
    let expected = fixture.body.take();
    let answer = app.get(&fixture.request).await;
    caching(&app, &fixture, &answer).await;
    let body = answer.ok();
    let section = &fixture.section;
    if fixture.served_at.is_empty() {
        same_shape(&expected, &body, section);
    }
    for (field, example) in expected.as_object().unwrap() {
        let at = fixture.served_at.get(field).cloned().unwrap_or_else(|| format!("/{field}"));
        let served = body.pointer(&at).unwrap_or_else(|| panic!("{section}: no {at} for {field}"));
        same_shape(example, served, &format!("{section}: {at}"));
    }
    for (at, values) in &fixture.one_of {
        let value = body.pointer(at).and_then(Value::as_str).unwrap_or_else(|| panic!("{section}: no {at}"));
        assert!(values.iter().any(|allowed| allowed == value), "{section}: {at} is {value}");
    }
    parameters(&app, &fixture).await;
    for (field, requests) in &fixture.refused {
        for request in requests {
            let problem = app.get(request).await.problem();
            assert_eq!(problem, (400, "invalid_parameter".into(), field.clone()), "{request}");
        }
    }
    for request in &fixture.not_found {
        assert_eq!(app.get(request).await.problem().0, 404, "{request}");
    }
    for request in &fixture.also {
        let answer = app.get(request).await.ok();
        if fixture.max_age.is_some() {
            fields(&expected, &answer, request);
        }
    }
    app.stop().await;
}

/// Every field of the example is there with its type; what is a list in the example has at least one entry.
fn same_shape(example: &Value, served: &Value, at: &str) {
    match (example, served) {
        (Value::Null, _) | (Value::Number(_), Value::Number(_)) | (Value::Bool(_), Value::Bool(_)) => {}
        (Value::String(example), Value::String(served)) => {
            let is_day = |text: &str| text.parse::<NaiveDate>().is_ok();
            let is_time = |text: &str| DateTime::parse_from_rfc3339(text).is_ok();
            assert_eq!((is_day(example), is_time(example)), (is_day(served), is_time(served)), "{at}: {served}");
        }
        (Value::Array(examples), Value::Array(items)) => {
            assert!(!items.is_empty(), "{at} is empty");
            items.iter().for_each(|item| same_shape(&examples[0], item, &format!("{at}[]")));
        }
        (Value::Object(_), Value::Object(_)) => {
            fields(example, served, at);
            for (name, example) in example.as_object().unwrap() {
                same_shape(example, &served[name], &format!("{at}.{name}"));
            }
        }
        _ => panic!("{at} is {served}, not as {example}"),
    }
}

/// Every field of the example is there, whatever it holds.
fn fields(example: &Value, served: &Value, at: &str) {
    for name in example.as_object().unwrap().keys() {
        assert!(served.get(name).is_some(), "{at} has no {name}: {served}");
    }
}

async fn caching(app: &TestApp, fixture: &Fixture, first: &Answer) {
    let Some(seconds) = fixture.max_age else {
        assert_eq!((first.header("cache-control"), first.header("x-cache")), ("no-store", ""));
        return;
    };
    let second = app.get(&fixture.request).await;
    let after = if fixture.after.contains(&fixture.request) { "HIT" } else { "MISS" };
    assert_eq!((first.header("x-cache"), second.header("x-cache")), (after, "HIT"), "{}", fixture.section);
    // The seeds' time is the server's own; an answer that counts live facts promises nobody else so much.
    let wanted =
        if fixture.live { "public, max-age=0, s-maxage=2,".to_owned() } else { format!("public, max-age={seconds},") };
    for answer in [first, &second] {
        assert!(answer.header("cache-control").starts_with(&wanted), "{}", answer.header("cache-control"));
    }
}

async fn parameters(app: &TestApp, fixture: &Fixture) {
    let with = |name: &str, value: &str| {
        let separator = if fixture.request.contains('?') { '&' } else { '?' };
        format!("{}{separator}{name}={value}", fixture.request)
    };
    for (name, parameter) in &fixture.parameters {
        for value in &parameter.taken {
            assert_eq!(app.get(&with(name, value)).await.status, 200, "{name}={value}");
        }
        for value in &parameter.refused {
            let problem = app.get(&with(name, value)).await.problem();
            assert_eq!(problem, (400, "invalid_parameter".into(), name.clone()), "{name}={value}");
        }
        if let Some(default) = &parameter.default {
            // The cache knows a question with its defaults filled in.
            let answer = app.get(&with(name, default)).await;
            assert_eq!(answer.header("x-cache"), "HIT", "{name} is {default} by default");
        }
    }
}
