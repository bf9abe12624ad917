//! Facts out of order and late, across batch runs and the cutoff: the merged answer is always that of all the facts.

use chrono::{DateTime, TimeDelta, Utc};
use domain::artifacts::{Artifact, PublishDecision};
use domain::events::{EventType, Fact};
use domain::hours::Hour;
use domain::ingest::{Record, Source};
use domain::jobs::{JobKind, JobStatus};
use domain::movies::Review;
use domain::{JobId, merge};
use sqlx::PgPool;
use storage::postgres::batch::{self, EventRun};
use storage::postgres::{artifacts, catalogue, speed};
use test_support::fixture::movie_id;
use test_support::live;

use super::{append, batch_of, drained, merged, stack, truth};

async fn rows(pool: &PgPool, of: &str) -> i64 {
    let sql = format!(
        "SELECT (SELECT count(*) FROM speed_stats WHERE {of}) + (SELECT count(*) FROM speed_sentiment WHERE {of})"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
}

/// Rows that nobody needs once a run covers them.
async fn late_rows(pool: &PgPool, now: DateTime<Utc>) -> i64 {
    rows(pool, &format!("hour < '{}'", merge::cutoff(now - merge::CLOCK_MARGIN))).await
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn late_facts_across_the_cutoff_are_in_the_merged_answer_before_and_after_every_run(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let stack = stack.with("WORKER_ROLES", "jobs,speed");
    let worker = stack.worker().await;
    let now = Utc::now();
    let all = live::facts(3_000, 120, now);
    let mut so_far = Vec::new();
    // Three waves, each over all 120 hours, the newest facts first.
    for wave in 0..3 {
        let mut facts: Vec<Fact> = all.iter().skip(wave).step_by(3).cloned().collect();
        facts.reverse();
        append(&log, &facts).await;
        drained(&log).await;
        so_far.extend(facts);
        assert_eq!(merged(&stack.pool, now).await, truth(&so_far), "wave {wave}, before the run");
        if wave > 0 {
            assert!(rows(&stack.pool, "reopened").await > 0, "late facts reopen their hours");
            speed::drop_covered(&stack.pool, now).await.unwrap();
            assert_eq!(merged(&stack.pool, now).await, truth(&so_far), "reopened hours are not dropped");
        }
        for kind in [JobKind::EventStats, JobKind::Sentiment] {
            let job = stack.run(kind).await;
            assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");
        }
        assert_eq!(merged(&stack.pool, now).await, truth(&so_far), "wave {wave}, after the run");
        assert_eq!(rows(&stack.pool, "reopened").await, 0, "the run has seen every fact");
        speed::drop_covered(&stack.pool, now).await.unwrap();
        assert_eq!(merged(&stack.pool, now).await, truth(&so_far), "wave {wave}, after dropping");
        assert_eq!(late_rows(&stack.pool, now).await, 0);
    }
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_fact_that_comes_between_a_runs_reading_and_its_publishing_is_not_lost(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let now = Utc::now();
    let hour = Hour::of(now).plus(-100);
    let view = |minute| Fact::Event(live::event(550, EventType::View, hour.start() + TimeDelta::minutes(minute)));
    let like = Fact::Event(live::event(603, EventType::Like, hour.start()));
    let mut facts = vec![view(1), view(2)];
    speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();

    let run_id =
        artifacts::begin(&stack.pool, Artifact::BatchStatsHourly, JobId::new(), now.date_naive()).await.unwrap();
    let (mut tx, snapshot) = batch::snapshot(&stack.pool).await.unwrap();
    let watermark = Hour::of(now);
    let staged = batch::event_stats::stage(&mut tx, run_id, watermark).await.unwrap();
    tx.commit().await.unwrap();
    for fact in [view(3), like] {
        speed::apply(&stack.pool, &batch_of(std::slice::from_ref(&fact))).await.unwrap();
        facts.push(fact);
    }
    let run = EventRun { run_id, watermark, snapshot };
    let decision = batch::publish(&stack.pool, Artifact::BatchStatsHourly, &run, staged, false).await.unwrap();
    assert_eq!(decision, PublishDecision::Publish);
    speed::drop_covered(&stack.pool, now).await.unwrap();
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn two_late_batches_at_once_both_count(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let now = Utc::now();
    let hour = Hour::of(now).plus(-100).start();
    let run_id =
        artifacts::begin(&stack.pool, Artifact::BatchStatsHourly, JobId::new(), now.date_naive()).await.unwrap();
    let (tx, snapshot) = batch::snapshot(&stack.pool).await.unwrap();
    tx.commit().await.unwrap();
    let run = EventRun { run_id, watermark: Hour::of(now), snapshot };
    batch::publish(&stack.pool, Artifact::BatchStatsHourly, &run, 1, false).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..20 {
        let facts: Vec<Fact> = (0..20).map(|n| Fact::Event(live::event(550, EventType::ALL[n % 8], hour))).collect();
        let (a, b) = (batch_of(&facts[..10]), batch_of(&facts[10..]));
        let (a, b) = tokio::join!(speed::apply(&stack.pool, &a), speed::apply(&stack.pool, &b));
        assert_eq!((a.unwrap().events, b.unwrap().events), (10, 10));
        all.extend(facts);
    }
    assert_eq!(merged(&stack.pool, now).await, truth(&all));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_sources_reviews_count_in_the_speed_layer_too(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let now = Utc::now();
    let (fresh, old) = (now - TimeDelta::hours(3), now - TimeDelta::hours(200));
    let texts = ["A wonderful film, I loved it.", "Terrible. I hated it."];
    let mut facts =
        vec![Fact::Review(live::review(550, texts[0], fresh)), Fact::Review(live::review(550, texts[1], old))];
    speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();
    let records = [(fresh, texts[1]), (old, texts[0])].map(|(written_at, text)| {
        facts.push(Fact::Review(live::review(550, text, written_at)));
        let review_id = written_at.to_rfc3339();
        let (movie_id, content) = (movie_id(550), text.to_owned());
        Record::Review(Review { review_id, movie_id, author: None, rating: None, content, written_at })
    });
    let mut tx = stack.pool.begin().await.unwrap();
    catalogue::write(&mut tx, Source::Demo, records.to_vec()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));

    // After a run, and with one more that comes late.
    let stack = stack.with("WORKER_ROLES", "jobs,speed");
    let worker = stack.worker().await;
    stack.run(JobKind::Sentiment).await;
    speed::drop_covered(&stack.pool, now).await.unwrap();
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
    let late = Fact::Review(live::review(550, texts[0], old));
    speed::apply(&stack.pool, &batch_of(std::slice::from_ref(&late))).await.unwrap();
    facts.push(late);
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_boundary_moves_on_the_hours_edge_and_takes_no_fact_with_it(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let pool = &stack.pool;
    let strikes = Hour::of(Utc::now()).plus(-24);
    let ms = TimeDelta::milliseconds(1);
    let (before, after) = (strikes.start() - ms, strikes.start());
    // When the clock strikes, `edge` takes the place of the hour before it as the speed layer's first.
    let edge = merge::cutoff(after);
    assert_eq!(merge::cutoff(before), edge.plus(-1));
    let mut facts = Vec::new();
    for hour in [edge.plus(-2), edge.plus(-1), edge, edge.plus(1), strikes.plus(-1), strikes] {
        for at in [hour.start() - ms, hour.start()] {
            facts.push(Fact::Event(live::event(550, EventType::Rating, at)));
            facts.push(Fact::Review(live::review(550, "A wonderful film.", at)));
        }
    }
    speed::apply(pool, &batch_of(&facts)).await.unwrap();
    test_support::batch::events(pool, before).await;
    // Readers on both sides of the edge, whose clocks need not be that of the one who drops.
    for dropping in [before, after] {
        for asked in [before, after, after + ms] {
            assert_eq!(merged(pool, asked).await, truth(&facts), "asked at {asked}");
        }
        speed::drop_covered(pool, dropping).await.unwrap();
        for asked in [before, after, after + ms] {
            assert_eq!(merged(pool, asked).await, truth(&facts), "dropped at {dropping}, asked at {asked}");
        }
        assert_eq!(late_rows(pool, dropping).await, 0);
    }
    // A run at the very edge covers the hour that is over, and not the instant with which the next begins.
    test_support::batch::events(pool, after).await;
    assert_eq!(batch::watermark(pool, Artifact::BatchStatsHourly).await.unwrap(), Some(strikes));
    assert_eq!(merged(pool, after).await, truth(&facts));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_batch_run_three_days_late_leaves_no_gap(pool: PgPool) {
    const HOURS: i64 = 6 * 24;
    let (stack, _) = stack(&pool).await;
    let pool = &stack.pool;
    let end = Hour::of(Utc::now());
    // Six days of facts, each with the hour in which it arrives: one in five is late, by up to seventy hours.
    let mut arriving: Vec<(Hour, Fact)> = live::facts(2_000, HOURS, end.start() - TimeDelta::milliseconds(1))
        .into_iter()
        .zip(0..)
        .map(|(fact, n)| {
            let occurred = match &fact {
                Fact::Event(event) => event.occurred_at,
                Fact::Review(review) => review.occurred_at,
            };
            let late = if n % 5 == 0 { n * 13 % 70 } else { 0 };
            (Hour::of(occurred).plus(1 + late).min(end), fact)
        })
        .collect();
    arriving.sort_by_key(|(hour, _)| *hour);

    let ran = end.plus(-HOURS / 2);
    let mut so_far = Vec::new();
    for n in 1..=HOURS {
        let hour = end.plus(n - HOURS);
        let now = hour.start();
        let here = arriving.partition_point(|(arrives, _)| *arrives <= hour);
        let facts: Vec<Fact> = arriving.drain(..here).map(|(_, fact)| fact).collect();
        speed::apply(pool, &batch_of(&facts)).await.unwrap();
        so_far.extend(facts);
        if hour == ran {
            test_support::batch::events(pool, now).await;
        }
        speed::drop_covered(pool, now).await.unwrap();
        // Not every hour: the test would take twice as long as all its neighbours.
        if n % 3 == 0 {
            assert_eq!(merged(pool, now).await, truth(&so_far), "{hour}");
        }
    }
    assert!(arriving.is_empty());
    let now = end.start();
    let waiting = format!("hour >= '{ran}' AND hour < '{}'", merge::cutoff(now));
    assert!(rows(pool, &waiting).await > 0, "what no run covers is kept, however old");
    assert!(rows(pool, "reopened").await > 0, "late facts reopened hours of the run");

    test_support::batch::events(pool, now).await;
    assert_eq!(merged(pool, now).await, truth(&so_far), "the late run is there");
    speed::drop_covered(pool, now).await.unwrap();
    assert_eq!(merged(pool, now).await, truth(&so_far), "and what it covers is dropped");
    assert_eq!((late_rows(pool, now).await, rows(pool, "reopened").await), (0, 0));
}
