//! The whole of the live path, over HTTP, while PostgreSQL is gone: API, event log, speed layer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::artifacts::CacheFamily;
use domain::events::EventType;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use settings::{DatabaseSettings, Env, WorkerSettings};
use sqlx::PgPool;
use storage::event_log::EventSink;
use test_support::proxy::Proxy;
use test_support::{fixture, live};
use tokio::sync::oneshot;

use crate::app::{TestApp, settings};

/// How long PostgreSQL is gone: several times what a page lives here. `OUTAGE_SECONDS=20` makes it as long as the
/// promise says.
const OUTAGE: Duration = Duration::from_secs(6);

/// Pages that were asked for before are hot.
const HOT: [&str; 7] = [
    "/movies/550",
    "/movies?limit=3",
    "/movies/trending",
    "/analytics/ratings-by-decade",
    "/search?q=matrix",
    "/api/v1/movies/550/sentiment?window=7d",
    "/api/v1/trending/movies?window=6",
];

/// What a page lives.
const TTL: Duration = Duration::from_secs(1);

type Stats = BTreeMap<(i64, String), i64>;

/// Posts events in batches of ten, all of which are taken.
async fn post(app: &TestApp, events: &[Value]) {
    for batch in events.chunks(10) {
        let answer = app.post("/api/v1/events", &json!(batch)).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert_eq!(answer.json()["accepted"].as_array().unwrap().len(), batch.len());
    }
}

/// The next events of viewers; their sum is the truth.
fn events(count: usize, truth: &mut Stats) -> Vec<Value> {
    let movies = fixture::movies();
    (0..count)
        .map(|n| {
            let (movie, kind) = (movies[n % movies.len()].id.get(), EventType::ALL[n % EventType::ALL.len()]);
            *truth.entry((movie, kind.as_str().to_owned())).or_default() += 1;
            let event = live::event(movie, kind, chrono::Utc::now());
            serde_json::to_value(&event).unwrap()
        })
        .collect()
}

async fn stored(pool: &PgPool) -> Stats {
    let rows: Vec<(i64, String, i64)> =
        sqlx::query_as("SELECT movie_id, event_type, count(*) FROM viewer_events GROUP BY 1, 2")
            .fetch_all(pool)
            .await
            .unwrap();
    rows.into_iter().map(|(movie, kind, count)| ((movie, kind), count)).collect()
}

/// What the speed layer's views say, in the words of the facts.
async fn counted(pool: &PgPool) -> Stats {
    let rows: Vec<(i64, String, i64)> = sqlx::query_as(
        "SELECT movie_id, types.kind, sum(counts[slot])::bigint
         FROM speed_stats CROSS JOIN unnest($1::text[]) WITH ORDINALITY AS types(kind, slot)
         GROUP BY 1, 2 HAVING sum(counts[slot]) > 0",
    )
    .bind(EventType::ALL.map(|kind| kind.as_str().to_owned()))
    .fetch_all(pool)
    .await
    .unwrap();
    rows.into_iter().map(|(movie, kind, count)| ((movie, kind), count)).collect()
}

/// Waits until the speed layer has nothing left to do. Not as long as it takes until a batch that was refused is claimed:
/// an outage refuses nothing.
async fn drained(log: &(impl EventSink + ?Sized)) {
    let started = Instant::now();
    loop {
        let backlog = log.backlog().await.unwrap();
        if backlog.waiting == 0 {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "the speed layer never caught up: {backlog:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn outage() -> Duration {
    std::env::var("OUTAGE_SECONDS").map_or(OUTAGE, |text| Duration::from_secs(text.parse().unwrap()))
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn while_postgresql_is_gone_hot_pages_are_served_and_events_are_taken_and_then_counted(pool: PgPool) {
    fixture::small(&pool).await;
    let url = test_support::database_url(&pool);
    let proxy = Proxy::before(&url).await;
    let mut settings = settings(&pool);
    settings.database = DatabaseSettings {
        url: SecretString::from(proxy.url(&url)),
        pool_size: 5,
        acquire_timeout: Duration::from_secs(1),
    };
    settings.cache.ttl = CacheFamily::ALL.map(|family| (family, TTL)).to_vec();
    // So the outage is longer than that: pages are given while they are computed anew, then because that fails.
    settings.cache.stale_while_revalidate = 2 * TTL;
    let prefix = settings.redis.prefix.clone();
    let app = TestApp::run(settings).await;
    let variables = [
        ("DATABASE_URL", proxy.url(&url)),
        ("DATABASE_TIMEOUT_SECONDS", "1".to_owned()),
        ("REDIS_URL", test_support::redis_url().expose_secret().to_owned()),
        ("REDIS_PREFIX", prefix.clone()),
        ("WORKER_ROLES", "speed".to_owned()),
    ];
    let env = Env::of(variables.iter().map(|(name, value)| (*name, value.as_str())));
    let worker = worker::Application::build(WorkerSettings::load(&env).unwrap()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(worker.run_until(async { stopped.await.map_err(std::io::Error::other) }));
    let log = live::log(&prefix, 100_000);
    let mut truth = Stats::new();

    post(&app, &events(40, &mut truth)).await;
    drained(&*log).await;
    for page in HOT {
        app.get(page).await.ok();
    }

    proxy.cut();
    let gone = Instant::now();
    let mut sources: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    while gone.elapsed() < outage() {
        for page in HOT {
            let answer = app.get(page).await;
            let source = answer.header("x-cache").to_owned();
            assert!(answer.status == 200 && ["HIT", "STALE"].contains(&&*source), "{page}: {source} {answer:?}");
            sources.entry(page).or_default().push(source);
        }
        let batch = events(20, &mut truth);
        post(&app, &batch).await;
        // Whoever got no answer sends the same again.
        post(&app, &batch[..10]).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (page, sources) in &sources {
        assert_eq!(sources.last().map(String::as_str), Some("STALE"), "{page} has long outlived its time: {sources:?}");
    }
    assert!(log.backlog().await.unwrap().waiting > 0, "what is taken waits in the log");
    assert_eq!(stored(&pool).await.values().sum::<i64>(), 40, "nothing came through the cut line");

    proxy.mend();
    drained(&*log).await;
    assert_eq!(stored(&pool).await, truth);
    assert_eq!(counted(&pool).await, truth);
    let mended = Instant::now();
    for page in HOT {
        while app.get(page).await.header("x-cache") == "STALE" {
            assert!(mended.elapsed() < Duration::from_secs(20), "{page} stays stale");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    stop.send(()).unwrap();
    worker.await.unwrap().unwrap();
    app.stop().await;
}
