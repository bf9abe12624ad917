//! A movie's page, merged from both layers. The clock is the machine's, so events are placed relative to it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::events::{Counts, Event, EventType, Observation};
use domain::hours::Hour;
use domain::merge::{CLOCK_MARGIN, LayerSplit};
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use sqlx::PgPool;
use storage::postgres::layers::{self, MovieLayers};
use storage::postgres::speed::{self, MicroBatch};
use test_support::fixture::{self, movie_id};
use test_support::{batch, live};

use crate::app::{TestApp, settings};

async fn write(pool: &PgPool, events: Vec<Event>) {
    live::apply(pool, &MicroBatch { events, reviews: Vec::new() }).await.unwrap();
}

/// Numbers that look random and are the same in every run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn events(dice: &mut Dice, movies: &[i64], now: DateTime<Utc>) -> Vec<Event> {
    let mut some = || {
        // Most of them lately, some late by up to the 30 days that are accepted.
        let minutes = [180, 4_000, 43_200][dice.below(3) as usize];
        let at = now - TimeDelta::seconds(dice.below(minutes * 60) as i64);
        let kind = EventType::ALL[dice.below(EventType::ALL.len() as u64) as usize];
        let mut event = live::event(movies[dice.below(movies.len() as u64) as usize], kind, at);
        event.rating = event.rating.map(|_| 0.5 + dice.below(950) as f32 / 100.0);
        event
    };
    (0..200).map(|_| some()).collect()
}

async fn check(pool: &PgPool, movies: &[i64], truth: &BTreeMap<i64, Counts>, now: DateTime<Utc>, when: &str) {
    for late in [TimeDelta::zero(), CLOCK_MARGIN] {
        for lags in [false, true] {
            let pages = layers::pages(pool, movies, LayerSplit::new(now - late, lags)).await.unwrap();
            let pages: Vec<_> = pages.into_iter().map(MovieLayers::merge).collect();
            let merged: BTreeMap<i64, Counts> = pages.iter().map(|page| (page.movie.movie_id, page.viewers)).collect();
            let truth = movies.iter().map(|id| (*id, truth.get(id).copied().unwrap_or_default())).collect();
            assert_eq!(merged, truth, "{when}, lagging: {lags}");
            assert!(pages.iter().all(|page| page.batch_hours >= 0), "{when}");
        }
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_page_counts_every_event_once_whichever_runs_there_were(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let movies: Vec<i64> = fixture::movies().iter().map(|movie| movie.id.get()).collect();
    for seed in 0..2 {
        let mut dice = Dice(seed);
        // Three days pass, with a run now and then; the last one may be days old, or there may be none.
        let start = Utc::now() - TimeDelta::days(3);
        let mut truth: BTreeMap<i64, Counts> = BTreeMap::new();
        for step in 0..7 {
            let now = start + TimeDelta::hours(10 * step);
            let when = format!("seed {seed}, step {step}");
            let new = events(&mut dice, &movies, now);
            new.iter().for_each(|event| truth.entry(event.movie_id.get()).or_default().add(event));
            write(&pool, new).await;
            check(&pool, &movies, &truth, now, &when).await;
            match dice.below(3) {
                0 => batch::events(&pool, now).await,
                1 => drop(speed::drop_covered(&pool, now).await.unwrap()),
                _ => {}
            }
            check(&pool, &movies, &truth, now, &when).await;
        }
        batch::events(&pool, Utc::now()).await;
        speed::drop_covered(&pool, Utc::now()).await.unwrap();
        check(&pool, &movies, &truth, Utc::now(), "after the last run").await;
        sqlx::query(
            "TRUNCATE viewer_events, speed_stats, batch_stats_hourly, batch_stats_total, artifact_heads, artifact_runs
             CASCADE",
        )
        .execute(&pool)
        .await
        .unwrap();
    }
}

/// Seed 1, section 3.1. Fight Club was observed and rated after the night's run, and clicked before it.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_page_shows_what_the_speed_layer_saw_since(pool: PgPool) {
    fixture::small(&pool).await;
    let now = Utc::now();
    write(&pool, vec![live::event(550, EventType::Click, now - TimeDelta::days(9))]).await;
    batch::events(&pool, now).await;
    let observed = |hours, vote_count| Observation {
        movie_id: movie_id(550),
        observed_at: now + TimeDelta::hours(hours),
        popularity: 90.0,
        vote_average: 8.0,
        vote_count,
    };
    let mut conn = pool.acquire().await.unwrap();
    speed::record(&mut conn, &[observed(0, 1_200)]).await.unwrap();
    drop(conn);
    // One comes late, for an hour that the run covers.
    let ratings = [now, now - TimeDelta::days(4)].map(|at| live::event(550, EventType::Rating, at));
    write(&pool, ratings.to_vec()).await;
    let app = TestApp::run(settings(&pool)).await;
    let body = app.get("/api/v1/movies/550?explain=true").await.ok();
    assert_json_snapshot!(body, {
        ".last_updated" => "[time]",
        ".data_sources.batch" => "[time]",
        ".data_sources.speed" => "[time]",
        ".watermark" => "[time]",
        ".cutoff" => "[time]",
        ".provenance.run_id" => "[run]",
        ".provenance.watermark" => "[time]",
        ".provenance.cutoff" => "[time]",
    });
    // 1,200 votes of 8.0, and two of 7.3.
    assert_eq!((&body["vote_count"], &body["popularity"]), (&json!(1_202), &json!(90.0)));
    assert_eq!(body["vote_average"], ((8.0 * 1_200.0 + 2.0 * 7.3) / 1_202.0 * 1e4_f64).round() / 1e4);
    assert_eq!(body["watermark"], json!(Hour::of(now).start()));

    let calm = app.get("/api/v1/movies/603").await.ok();
    assert_eq!((&calm["data_source"], &calm["viewers"]["avg_rating"]), (&json!("batch"), &json!(null)));
    assert_eq!((&calm["vote_count"], &calm["provenance"]), (&json!(1_000), &json!(null)));
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_anything_in_the_speed_layer_the_catalogue_answers(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    let body = app.get("/api/v1/movies/550").await.ok();
    assert_eq!((&body["popularity"], &body["data_source"]), (&json!(70.0), &json!("batch")));
    assert_eq!((&body["stale"], &body["watermark"]), (&json!(["batch"]), &json!(null)));
    assert_eq!(body["data_sources"], json!({"batch": null, "speed": null}));
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn routing_is_counted_and_a_lagging_speed_layer_is_answered_for(pool: PgPool) {
    fixture::small(&pool).await;
    let (now, recently) = (Utc::now(), Utc::now() - TimeDelta::hours(5));
    let said = |at| live::review(550, "A wonderful film, I loved it.", at);
    let events = [recently, recently - TimeDelta::days(9)].map(|at| live::event(550, EventType::View, at)).to_vec();
    let reviews = vec![said(recently), said(recently - TimeDelta::days(9))];
    live::apply(&pool, &MicroBatch { events, reviews }).await.unwrap();
    batch::events(&pool, now).await;
    let mut settings = settings(&pool);
    settings.speed_lag_limit = Duration::from_millis(100);
    let log = live::log(&settings.redis.prefix, 10);
    let app = TestApp::run(settings).await;
    app.get("/api/v1/movies/550").await.ok();
    app.get("/api/v1/movies/550").await.ok();
    app.get("/api/v1/movies/603").await.ok();
    app.get("/api/v1/movies/550/sentiment?window=6h").await.ok();
    let fine = app.get("/api/v1/health/routing").await.ok();
    let queries = |body: &Value| {
        ["batch_layer", "speed_layer", "both", "batch_fallback"].map(|way| body[way]["queries"].as_u64().unwrap())
    };
    assert_eq!((queries(&fine), &fine["total_queries"]), ([1, 1, 1, 0], &json!(3)), "hits are not counted");
    assert_eq!((&fine["both"]["percentage"], &fine["coverage"]["speed"]), (&json!(33.3), &json!(66.7)));
    assert!(fine["average_routing_time_ms"].as_f64().unwrap() > 0.0, "{fine}");
    assert_eq!((&fine["speed_layer"]["status"], &fine["speed_layer"]["recent_documents"]), (&json!("up"), &json!(2)));
    assert_eq!(fine["data_freshness"]["events_watermark"], json!(Hour::of(now).start()));

    // Nobody counts it, as if the worker were down; and the lag is looked at once a second.
    log.append(&live::facts(1, 1, now)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for path in ["/api/v1/movies/550?explain=true", "/api/v1/movies/550/sentiment?window=all&explain=true"] {
        let body = app.get(path).await.ok();
        assert_eq!(body["stale"], json!(["speed"]), "{path}");
        assert_eq!(body["provenance"]["hours"], json!({"batch": 2, "speed": 0}), "{path}");
        assert_eq!(body["data_sources"]["batch"], json!(Hour::of(now).start()), "{path}");
    }
    let lagging = app.get("/api/v1/health/routing").await.ok();
    assert_eq!(queries(&lagging), [1, 1, 1, 2]);
    assert!(lagging["speed_layer"]["lag_seconds"].as_f64().unwrap() > 1.0, "{lagging}");
    assert_eq!(app.get("/health").await.ok()["services"]["speed_layer"]["status"], "lagging");
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("merged_reads_total{decision=\"batch_fallback\"}"), "{metrics}");
    app.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_explained_answer_is_computed_and_says_what_is_cached(pool: PgPool) {
    let app = TestApp::start(&pool).await;
    for path in ["/api/v1/movies/550", "/api/v1/movies/550/sentiment?window=7d"] {
        let explained =
            if path.contains('?') { format!("{path}&explain=true") } else { format!("{path}?explain=true") };
        let cache = async || {
            let answer = app.get(&explained).await;
            assert_eq!((answer.header("x-cache"), answer.header("cache-control")), ("BYPASS", "no-cache"), "{path}");
            answer.ok()["provenance"]["cache"].clone()
        };
        assert_eq!(cache().await, json!({"state": "absent", "age_seconds": null, "generation": null}), "{path}");
        assert_eq!(app.get(path).await.header("x-cache"), "MISS", "an explained answer is not kept");
        let kept = cache().await;
        assert_eq!((&kept["state"], kept["age_seconds"].is_u64()), (&json!("fresh"), true), "{path}");
        assert!(kept["generation"].as_i64().unwrap() > 0, "{path}");
    }
    app.stop().await;
}
