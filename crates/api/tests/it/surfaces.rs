//! One movie has one popularity and one vote count, wherever it is shown.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use domain::events::{EventType, Observation};
use domain::ingest::{Record, Source};
use domain::movies::Movie;
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::catalogue;
use storage::postgres::speed::{self, MicroBatch};
use test_support::fixture::{self, movie_id};
use test_support::{batch, live};

use crate::app::{TestApp, settings};

const MOVIES: i64 = 60;

fn described(id: i64, popularity: f64, votes: i64) -> Record {
    let mut movie = Movie::titled(movie_id(10_000 + id), format!("Surface {id}"));
    (movie.popularity, movie.vote_average, movie.vote_count) = (popularity, 6.0, votes);
    movie.genres = vec!["Drama".to_owned()];
    Record::Movie(Box::new(movie))
}

/// Dumps, ingests, hourly observations and viewers, in every order of time.
async fn many_sources(pool: &PgPool) {
    let now = Utc::now();
    let ago = |minutes: i64| now - TimeDelta::minutes(minutes);
    let mut tx = pool.begin().await.unwrap();
    let all = |popularity: f64| (0..MOVIES).map(move |id| described(id, popularity + id as f64 / 100.0, 100 + id));
    catalogue::write(&mut tx, Source::Demo, all(10.0).collect()).await.unwrap();
    let seen = |id: i64, minutes: i64, popularity: f64| Observation {
        movie_id: movie_id(10_000 + id),
        observed_at: ago(minutes),
        popularity,
        vote_average: 7.0,
        vote_count: 500 + id,
    };
    let observed: Vec<_> = (0..MOVIES).filter(|id| id % 2 == 0).map(|id| seen(id, 60, 20.0 + id as f64)).collect();
    speed::record(&mut tx, &observed).await.unwrap();
    // An ingest of every third movie, newer than the observation; one of every fifth, older than it.
    let of = |step: usize, popularity| all(popularity).step_by(step).collect();
    catalogue::write_as_of(&mut tx, Source::Tmdb, Some(ago(30)), of(3, 30.0)).await.unwrap();
    catalogue::write_as_of(&mut tx, Source::Tmdb, Some(ago(90)), of(5, 40.0)).await.unwrap();
    // A dump brings no time, and replaces no observation.
    catalogue::write(&mut tx, Source::Demo, of(7, 50.0)).await.unwrap();
    speed::record(&mut tx, &[seen(1, 10, 60.0), seen(3, 45, 61.0)]).await.unwrap();
    tx.commit().await.unwrap();

    let ratings = |hours: i64, step: usize| {
        let rated = (0..MOVIES).step_by(step).map(move |id| 10_000 + id);
        rated.map(|id| live::event(id, EventType::Rating, ago(hours * 60))).collect()
    };
    speed::apply(pool, &MicroBatch { events: ratings(80, 2), reviews: Vec::new() }).await.unwrap();
    batch::events(pool, ago(120)).await;
    // Of now, and late into an hour that the run covers.
    speed::apply(pool, &MicroBatch { events: ratings(0, 4), reviews: Vec::new() }).await.unwrap();
    speed::apply(pool, &MicroBatch { events: ratings(80, 6), reviews: Vec::new() }).await.unwrap();
    batch::predictions(pool).await;
    // The forecasts of the test support are for the small world; these are for all.
    sqlx::query(
        "INSERT INTO trend_predictions (run_id, movie_id, horizon, rank, day, popularity, low, high, trending_score)
         SELECT p.run_id, m.movie_id, 1, 8 + row_number() OVER (ORDER BY m.movie_id), p.day, 1, 0, 2, 1
         FROM movies m, (SELECT run_id, day FROM trend_predictions WHERE horizon = 1 LIMIT 1) AS p
         WHERE m.movie_id >= 10000",
    )
    .execute(pool)
    .await
    .unwrap();
}

type Shown = BTreeMap<i64, (f64, i64, f64)>;

fn shown(items: &Value) -> Shown {
    let items = items.as_array().unwrap().iter();
    items
        .map(|item| {
            let number = |field: &str| item[field].as_f64().unwrap();
            let votes = item["vote_count"].as_i64().unwrap();
            (item["movie_id"].as_i64().unwrap(), (number("popularity"), votes, number("vote_average")))
        })
        .collect()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn every_surface_shows_the_latest_observation(pool: PgPool) {
    fixture::small(&pool).await;
    many_sources(&pool).await;
    let app = TestApp::run(settings(&pool)).await;
    let mut pages = Shown::new();
    for movie in fixture::movies().iter().map(|movie| movie.id.get()).chain(10_000..10_000 + MOVIES) {
        pages.extend(shown(&Value::Array(vec![app.get(&format!("/api/v1/movies/{movie}")).await.ok()])));
    }
    assert_eq!(pages[&10_003].0, 30.03, "the ingest is newer than the observation of movie 3");
    assert_eq!(pages[&10_010].0, 30.0, "the ingest is older than the observation of movie 10");
    assert_eq!(pages[&10_014].0, 34.0, "a dump replaces no observation");
    assert_eq!((pages[&10_001].0, pages[&10_001].1), (60.0, 501));
    assert_eq!((pages[&10_002].0, pages[&10_002].1), (22.0, 503), "with one viewer's rating");

    let list = app.get("/api/v1/movies?limit=100").await.ok();
    assert_eq!(shown(&list["items"]), pages);
    let order: Vec<f64> = list["items"].as_array().unwrap().iter().map(|m| m["popularity"].as_f64().unwrap()).collect();
    assert!(order.is_sorted_by(|a, b| a >= b), "the order is that of the numbers shown: {order:?}");
    for path in ["/api/v1/search?limit=100", "/api/v1/search/movies?limit=100&sort_by=popularity"] {
        let body = app.get(path).await.ok();
        let items = if body["items"].is_null() { &body["results"] } else { &body["items"] };
        assert_eq!(shown(items), pages, "{path}");
        assert!(body["observed_at"].is_string(), "{path}");
    }
    let forecast = app.get("/api/v1/predictions/trending?horizon=1&limit=100").await.ok();
    let items = forecast["items"].as_array().unwrap();
    assert_eq!(items.len(), pages.len());
    for item in items {
        let id = item["movie_id"].as_i64().unwrap();
        let own = app.get(&format!("/api/v1/predictions/movies/{id}")).await.ok();
        assert_eq!(
            (&item["popularity_now"], own["popularity_now"].as_f64()),
            (&own["popularity_now"], Some(pages[&id].0))
        );
    }
    app.stop().await;
}

/// A list that was cached before says what the page says afterwards.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_cached_list_follows_viewers_ratings(pool: PgPool) {
    fixture::small(&pool).await;
    let app = TestApp::run(settings(&pool)).await;
    let votes = async |path: &str, field: &str| {
        let body = app.get(path).await.ok();
        let body = if field.is_empty() { &body } else { &body[field][0] };
        body["vote_count"].as_i64().unwrap()
    };
    assert_eq!(votes("/api/v1/movies?limit=1", "items").await, 1_000);
    let rating = live::event(238, EventType::Rating, Utc::now());
    speed::apply(&pool, &MicroBatch { events: vec![rating], reviews: Vec::new() }).await.unwrap();
    test_support::eventually("page and list count it", std::time::Duration::from_secs(10), async || {
        let seen = (votes("/api/v1/movies/238", "").await, votes("/api/v1/movies?limit=1", "items").await);
        if seen == (1_001, 1_001) { Ok(()) } else { Err(seen) }
    })
    .await;
    app.stop().await;
}
