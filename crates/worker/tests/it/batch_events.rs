//! Batch views of what viewers do, and how their runs stand to the speed layer.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::artifacts::{Artifact, PublishDecision};
use domain::events::{Counts, EventType};
use domain::hours::Hour;
use domain::jobs::{JobKind, JobStatus};
use domain::merge::LayerSplit;
use domain::sentiment::{Lexicon, Tally};
use domain::trends::{Metric, Scope};
use domain::{MovieId, RunId};
use serde_json::json;
use sqlx::PgPool;
use storage::postgres::artifacts;
use storage::postgres::batch::{self, EventRun, sentiment, trends};
use storage::postgres::speed;
use test_support::fixture;

use crate::batch::head;
use crate::support::Stack;

/// A full hour, well before the one that has begun.
fn hour() -> DateTime<Utc> {
    Hour::of(Utc::now()).plus(-100).start()
}

async fn event(pool: &PgPool, movie: i64, kind: &str, rating: Option<f32>, at: DateTime<Utc>) {
    sqlx::query(
        "INSERT INTO viewer_events (event_id, viewer_id, movie_id, event_type, rating, occurred_at)
         VALUES (gen_random_uuid(), 7, $1, $2, $3, $4)",
    )
    .bind(movie)
    .bind(kind)
    .bind(rating)
    .bind(at)
    .execute(pool)
    .await
    .unwrap();
}

/// The hours of a run, oldest first.
async fn counted(pool: &PgPool, run: RunId, movie: MovieId) -> Vec<(Hour, Counts)> {
    let rows: Vec<(DateTime<Utc>, Vec<i64>, f64)> = sqlx::query_as(
        "SELECT hour, counts, rating_sum FROM batch_stats_hourly WHERE run_id = $1 AND movie_id = $2 ORDER BY hour",
    )
    .bind(run.0)
    .bind(movie.get())
    .fetch_all(pool)
    .await
    .unwrap();
    rows.into_iter().map(|(hour, slots, sum)| (Hour::of(hour), Counts::from_slots(&slots, sum))).collect()
}

fn counts(of: &[(EventType, i64, f64)]) -> Counts {
    let mut counts = Counts::default();
    of.iter().for_each(|(kind, events, rating_sum)| counts.add_events(*kind, *events, *rating_sum));
    counts
}

async fn review(pool: &PgPool, movie: i64, sentiment: f32, at: DateTime<Utc>) {
    sqlx::query(
        "INSERT INTO viewer_reviews (review_id, movie_id, content, sentiment, label, occurred_at)
         VALUES (gen_random_uuid(), $1, 'words', $2, 'neutral', $3)",
    )
    .bind(movie)
    .bind(sentiment)
    .bind(at)
    .execute(pool)
    .await
    .unwrap();
}

/// Some viewers of Fight Club, in two hours and in one that is not over, nor will be if the clock strikes in mid-test.
pub(crate) async fn viewers(pool: &PgPool) {
    let not_over = Hour::of(Utc::now()).plus(1).start();
    let minute = |n| hour() + TimeDelta::minutes(n);
    event(pool, 550, "view", None, minute(0)).await;
    event(pool, 550, "view", None, minute(59)).await;
    event(pool, 550, "rating", Some(8.5), minute(30)).await;
    event(pool, 550, "like", None, minute(60)).await;
    event(pool, 603, "watch", None, minute(61)).await;
    event(pool, 550, "click", None, not_over).await;
    review(pool, 550, 0.5, minute(1)).await;
    review(pool, 550, -0.75, minute(2)).await;
    review(pool, 550, 0.25, minute(119)).await;
    review(pool, 550, 0.9, not_over).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn events_are_counted_by_hour_up_to_the_last_that_is_over(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    viewers(&stack.pool).await;
    let worker = stack.worker().await;
    let before = Hour::of(Utc::now());
    assert_eq!(stack.run(JobKind::EventStats).await.status, JobStatus::Succeeded);
    worker.stop().await;

    let head = head(&stack.pool, Artifact::BatchStatsHourly).await;
    let watermark = head.watermark.unwrap();
    assert!(watermark == before || watermark == before.plus(1), "{watermark}");
    assert_eq!(batch::watermark(&stack.pool, Artifact::BatchStatsHourly).await.unwrap(), Some(watermark));
    let movie = fixture::movie_id(550);
    let all = counted(&stack.pool, head.run_id, movie).await;
    let first = Hour::of(hour());
    let expected = [
        (first, counts(&[(EventType::View, 2, 0.0), (EventType::Rating, 1, 8.5)])),
        (first.plus(1), counts(&[(EventType::Like, 1, 0.0)])),
    ];
    assert_eq!(all, expected, "the hour that is not over is the speed layer's");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn sentiment_counts_viewers_reviews_and_the_sources(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    viewers(&stack.pool).await;
    let text = "A wonderful, brilliant movie. I loved it!";
    sqlx::query(
        "WITH queued AS (INSERT INTO unscored_reviews (source, review_id) VALUES ('demo', '1'))
         INSERT INTO reviews (source, review_id, movie_id, content, written_at) VALUES ('demo', '1', 550, $1, $2)",
    )
    .bind(text)
    .bind(hour() + TimeDelta::minutes(90))
    .execute(&stack.pool)
    .await
    .unwrap();
    let worker = stack.worker().await;
    assert_eq!(stack.run(JobKind::Sentiment).await.status, JobStatus::Succeeded);
    assert_eq!(stack.run(JobKind::Trends).await.status, JobStatus::Succeeded);
    worker.stop().await;

    let written = Lexicon::new().score(text).get();
    assert!(written > 0.3, "{written}");
    let run = head(&stack.pool, Artifact::BatchSentimentHourly).await.run_id;
    let first = Hour::of(hour());
    let hours = sentiment::hours(&stack.pool, run, fixture::movie_id(550), first).await.unwrap();
    let one = Tally { sum: -0.25, sum_squares: 0.8125, positive: 1, negative: 1, neutral: 0 };
    let two =
        Tally { sum: 0.25 + written, sum_squares: 0.0625 + written * written, positive: 1, negative: 0, neutral: 1 };
    assert_eq!(hours, [(first, one), (first.plus(1), two)]);

    // The trend weighs by review count: the mean over the day's reviews, not over its hours.
    let head = head(&stack.pool, Artifact::TemporalTrends).await;
    let days = |scope| {
        let since = head.as_of - TimeDelta::days(30);
        let (pool, run) = (stack.pool.clone(), head.run_id);
        async move { trends::points(&pool, run, head.as_of, &scope, Metric::Sentiment, since).await.unwrap() }
    };
    let movie = days(Scope::Movie(fixture::movie_id(550))).await;
    assert_eq!(movie.iter().map(|day| day.count).sum::<i64>(), 4);
    let total: f64 = movie.iter().map(|day| day.value * day.count as f64).sum();
    assert!((total - (one.sum + two.sum)).abs() < 1e-6, "{movie:?}");
    for scope in [Scope::All, Scope::Genre("Thriller".into())] {
        let days = days(scope).await;
        let same = days.iter().zip(&movie).all(|(a, b)| a.count == b.count && (a.value - b.value).abs() < 1e-6);
        assert!(same && days.len() == movie.len(), "it is the only movie with reviews: {days:?}");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_hour_with_more_reviews_than_a_chunk_is_one_hour(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    sqlx::query(
        "INSERT INTO viewer_reviews (review_id, movie_id, content, sentiment, label, occurred_at)
         SELECT gen_random_uuid(), CASE WHEN n <= 3 THEN 129 ELSE 550 END, 'words', 0.5, 'positive', $1
         FROM generate_series(1, 12003) n",
    )
    .bind(hour())
    .execute(&stack.pool)
    .await
    .unwrap();
    let worker = stack.worker().await;
    let job = stack.run(JobKind::Sentiment).await;
    worker.stop().await;
    assert_eq!((job.status, &job.result.as_ref().unwrap()["rows"]), (JobStatus::Succeeded, &2.into()), "{job:?}");
    let run = head(&stack.pool, Artifact::BatchSentimentHourly).await.run_id;
    let hours = sentiment::hours(&stack.pool, run, fixture::movie_id(550), Hour::of(hour())).await.unwrap();
    let expected = Tally { sum: 6_000.0, sum_squares: 3_000.0, positive: 12_000, negative: 0, neutral: 0 };
    assert_eq!(hours, [(Hour::of(hour()), expected)]);
}

/// What the speed layer does with a late fact, as far as this matters here: the hour's row changes and is reopened.
async fn late_fact(pool: &PgPool, table: &str, movie: i64, reopened: bool) {
    let sql = format!(
        "INSERT INTO {table} (movie_id, hour, reopened) VALUES ($1, $2, $3)
         ON CONFLICT (movie_id, hour) DO UPDATE SET reopened = excluded.reopened, version = excluded.version"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(movie).bind(hour()).bind(reopened).execute(pool).await.unwrap();
}

async fn reopened(pool: &PgPool, table: &str) -> Vec<i64> {
    let sql = format!("SELECT movie_id FROM {table} WHERE reopened ORDER BY 1");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_published_run_closes_the_hours_it_has_seen_and_reopens_those_that_changed_since(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    for (artifact, table) in
        [(Artifact::BatchStatsHourly, "speed_stats"), (Artifact::BatchSentimentHourly, "speed_sentiment")]
    {
        let pool = &stack.pool;
        late_fact(pool, table, 1, true).await;
        late_fact(pool, table, 2, true).await;
        late_fact(pool, table, 3, false).await;
        let job = stack.enqueue(JobKind::Probe).await;
        let watermark = Hour::of(Utc::now());
        let before = artifacts::begin(pool, artifact, job, EventRun::as_of(watermark)).await.unwrap();
        artifacts::publish(pool, artifact, before, 4, false).await.unwrap();
        let run_id = artifacts::begin(pool, artifact, job, EventRun::as_of(watermark)).await.unwrap();
        let (tx, snapshot) = batch::snapshot(pool).await.unwrap();
        tx.commit().await.unwrap();
        // After the run has read: one more late fact for the second, one for an hour that had only the run's.
        late_fact(pool, table, 2, true).await;
        late_fact(pool, table, 3, false).await;
        late_fact(pool, table, 4, false).await;
        let run = EventRun { run_id, watermark, snapshot };
        let held = batch::publish(pool, artifact, &run, 0, false).await.unwrap();
        assert!(matches!(held, PublishDecision::HoldBack { .. }), "it would empty the artifact");
        assert_eq!(reopened(pool, table).await, [1, 2], "a run that is held back settles nothing");
        assert_eq!(batch::publish(pool, artifact, &run, 2, false).await.unwrap(), PublishDecision::Publish);
        assert_eq!(reopened(pool, table).await, [2, 3, 4], "{table}");
        let version: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT version FROM {table} WHERE movie_id = 1")))
                .fetch_one(pool)
                .await
                .unwrap();
        assert!(version > 0, "settling is no change of the facts");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn rows_restored_from_another_clusters_dump_are_closed_by_the_next_run_and_then_dropped(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    viewers(&stack.pool).await;
    for table in ["speed_stats", "speed_sentiment"] {
        late_fact(&stack.pool, table, 550, true).await;
        late_fact(&stack.pool, table, 603, false).await;
        // The transactions of a cluster that has run for years are in the future of a new one.
        let sql = format!("UPDATE {table} SET version = 4611686018427387904");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&stack.pool).await.unwrap();
    }
    let worker = stack.worker().await;
    for kind in [JobKind::EventStats, JobKind::Sentiment] {
        assert_eq!(stack.run(kind).await.status, JobStatus::Succeeded);
    }
    worker.stop().await;
    for table in ["speed_stats", "speed_sentiment"] {
        assert!(reopened(&stack.pool, table).await.is_empty(), "{table}: the run has counted them");
    }
    speed::drop_covered(&stack.pool, Utc::now()).await.unwrap();
    for table in ["speed_stats", "speed_sentiment"] {
        let kept: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&stack.pool)
            .await
            .unwrap();
        assert_eq!(kept, 0, "{table}");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_first_run_is_published_though_there_was_no_event_yet_and_the_batch_layer_is_not_stale(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    sqlx::query("DELETE FROM reviews").execute(&stack.pool).await.unwrap();
    let worker = stack.worker().await;
    for (kind, artifact) in [
        (JobKind::EventStats, Artifact::BatchStatsHourly),
        (JobKind::Sentiment, Artifact::BatchSentimentHourly),
        (JobKind::EventStats, Artifact::BatchStatsHourly),
    ] {
        let job = stack.run(kind).await;
        assert_eq!(job.status, JobStatus::Succeeded);
        let head = head(&stack.pool, artifact).await;
        assert_eq!(job.result.unwrap()["run_id"], json!(head.run_id.0), "an empty run may follow an empty one");
        assert_eq!(head.row_count, 0);
        assert!(LayerSplit::new(Utc::now(), false).stale(head.watermark).next().is_none(), "nothing is missing");
    }
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_run_waits_for_a_speed_batch_that_has_asked_for_the_watermark(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let pool = &stack.pool;
    let artifact = Artifact::BatchStatsHourly;
    let job = stack.enqueue(JobKind::Probe).await;
    let watermark = Hour::of(Utc::now());
    let run_id = artifacts::begin(pool, artifact, job, EventRun::as_of(watermark)).await.unwrap();
    let (tx, snapshot) = batch::snapshot(pool).await.unwrap();
    tx.commit().await.unwrap();

    let mut speed = pool.begin().await.unwrap();
    assert_eq!(batch::hold_watermark(&mut speed, artifact).await.unwrap(), None, "the hour is the speed layer's");
    let run = EventRun { run_id, watermark, snapshot };
    let publishing = tokio::spawn({
        let pool = pool.clone();
        async move { batch::publish(&pool, artifact, &run, 1, false).await }
    });
    test_support::eventually("publishing waits for the lock", Duration::from_secs(10), async || {
        assert!(!publishing.is_finished(), "it did not wait");
        let waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        sqlx::query_scalar::<_, bool>(waits).fetch_one(pool).await.unwrap().then_some(())
    })
    .await;
    sqlx::query("INSERT INTO speed_stats (movie_id, hour) VALUES (550, $1)")
        .bind(hour())
        .execute(&mut *speed)
        .await
        .unwrap();
    speed.commit().await.unwrap();
    assert_eq!(publishing.await.unwrap().unwrap(), PublishDecision::Publish);
    assert_eq!(reopened(pool, "speed_stats").await, [550], "the run has not seen it");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_older_run_over_events_never_comes_back_even_by_force(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let pool = &stack.pool;
    let job = stack.enqueue(JobKind::Probe).await;
    let mut runs = Vec::new();
    for hours_ago in [5, 1] {
        let watermark = Hour::of(Utc::now()).plus(-hours_ago);
        let artifact = Artifact::BatchSentimentHourly;
        let run_id = artifacts::begin(pool, artifact, job, EventRun::as_of(watermark)).await.unwrap();
        let (tx, snapshot) = batch::snapshot(pool).await.unwrap();
        tx.commit().await.unwrap();
        runs.push(EventRun { run_id, watermark, snapshot });
    }
    let publish = async |run| batch::publish(pool, Artifact::BatchSentimentHourly, run, 9, true).await.unwrap();
    assert_eq!(publish(&runs[1]).await, PublishDecision::Publish);
    assert!(matches!(publish(&runs[0]).await, PublishDecision::HoldBack { .. }));
    let watermark = batch::watermark(pool, Artifact::BatchSentimentHourly).await.unwrap();
    assert_eq!(watermark, Some(runs[1].watermark));
}
