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
use test_support::{fixture, live};

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
        let facts: Vec<Fact> =
            (0..20).map(|n| Fact::Event(live::event(550, EventType::ALL[n % EventType::ALL.len()], hour))).collect();
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

/// Publishes a run over the events stored now; `hours_ago` is its watermark.
async fn publish_events(pool: &PgPool, watermark: Hour) {
    let (run, staged) = read_events(pool, watermark).await;
    batch::publish(pool, Artifact::BatchStatsHourly, &run, staged, true).await.unwrap();
}

/// A run over the events stored now that has read and staged, and is not published.
async fn read_events(pool: &PgPool, watermark: Hour) -> (EventRun, u64) {
    let artifact = Artifact::BatchStatsHourly;
    let run_id = artifacts::begin(pool, artifact, JobId::new(), EventRun::as_of(watermark)).await.unwrap();
    let (mut tx, snapshot) = batch::snapshot(pool).await.unwrap();
    let staged = batch::event_stats::stage(&mut tx, run_id, watermark).await.unwrap();
    tx.commit().await.unwrap();
    (EventRun { run_id, watermark, snapshot }, staged)
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_late_fact_costs_no_recount_of_its_hour(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let pool = &stack.pool;
    let now = Utc::now();
    let old = Hour::of(now).plus(-100).start();
    let recent = Hour::of(now).plus(-3).start();
    let rating = |at| Fact::Event(live::event(550, EventType::Rating, at));
    let mut facts: Vec<Fact> = (0..50).flat_map(|_| [rating(old), rating(recent)]).collect();
    speed::apply(pool, &batch_of(&facts)).await.unwrap();
    publish_events(pool, Hour::of(now)).await;
    speed::drop_covered(pool, now).await.unwrap();
    assert_eq!(rows(pool, "movie_id = 550").await, 1, "one hour's row is dropped, the other is kept");
    // Whoever counts the stored events of these hours again finds none.
    sqlx::query("DELETE FROM viewer_events").execute(pool).await.unwrap();
    for late in [rating(old), rating(recent), rating(old), rating(recent)] {
        let applied = speed::apply(pool, &batch_of(std::slice::from_ref(&late))).await.unwrap();
        assert_eq!((applied.events, applied.reopened), (1, 1));
        facts.push(late);
        assert_eq!(merged(pool, now).await, truth(&facts));
        speed::drop_covered(pool, now).await.unwrap();
        assert_eq!(merged(pool, now).await, truth(&facts), "a reopened hour is not dropped");
    }
    assert_eq!(rows(pool, "reopened").await, 2);
}

/// A number in `0..n`, from a linear congruential generator: the same sequence in every run of the test.
fn dice(state: &mut u64, n: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % n
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_law_holds_in_the_database_under_any_interleaving(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let pool = &stack.pool;
    let movies: Vec<i64> = fixture::movies().iter().map(|movie| movie.id.get()).take(3).collect();
    for seed in 0..6u64 {
        sqlx::query("TRUNCATE speed_stats, viewer_events, artifact_heads, artifact_runs CASCADE")
            .execute(pool)
            .await
            .unwrap();
        let (mut state, mut so_far, mut reading) = (seed * 7_919 + 1, Vec::<Fact>::new(), None);
        // Two days pass while the law is checked, so that rows come of age and are dropped.
        let mut now = Utc::now() - TimeDelta::hours(60);
        for step in 0..60 {
            match dice(&mut state, 10) {
                0..4 => {
                    let facts: Vec<Fact> = (0..=dice(&mut state, 8))
                        .map(|_| {
                            let ago = match dice(&mut state, 2) {
                                0 => dice(&mut state, 90),
                                _ => dice(&mut state, 100 * 60),
                            };
                            let at = now - TimeDelta::minutes(ago as i64);
                            let movie = movies[dice(&mut state, 3) as usize];
                            Fact::Event(live::event(
                                movie,
                                EventType::ALL[dice(&mut state, EventType::ALL.len() as u64) as usize],
                                at,
                            ))
                        })
                        .collect();
                    // Two lanes at once, and a delivery that comes again after its worker died.
                    let (a, b) = facts.split_at(facts.len() / 2);
                    let (a, b) = (batch_of(a), batch_of(b));
                    let (left, right) = tokio::join!(speed::apply(pool, &a), speed::apply(pool, &b));
                    left.and(right).unwrap();
                    let again = speed::apply(pool, &a).await.unwrap();
                    assert_eq!(again.duplicates, a.len() as u64);
                    so_far.extend(facts);
                }
                4 | 5 => reading = Some(read_events(pool, Hour::of(now)).await),
                6 => {
                    if let Some((run, staged)) = reading.take() {
                        batch::publish(pool, Artifact::BatchStatsHourly, &run, staged, true).await.unwrap();
                    }
                }
                // Held back, or its worker died.
                7 => reading = None,
                8 => {
                    speed::drop_covered(pool, now).await.unwrap();
                }
                _ => now += TimeDelta::minutes(dice(&mut state, 600) as i64),
            }
            assert_eq!(merged(pool, now).await.0, truth(&so_far).0, "seed {seed}, step {step}");
        }
        assert!(so_far.len() > 50, "{}", so_far.len());
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn late_batches_dropping_and_publishing_at_once_lose_nothing(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let pool = &stack.pool;
    let now = Utc::now();
    let hour = Hour::of(now).plus(-100).start();
    let mut all = Vec::new();
    for round in 0..15 {
        let facts: Vec<Fact> =
            (0..20).map(|n| Fact::Event(live::event(550, EventType::ALL[n % EventType::ALL.len()], hour))).collect();
        let (a, b) = (batch_of(&facts[..10]), batch_of(&facts[10..]));
        let (run, staged) = read_events(pool, Hour::of(now)).await;
        let (a, b, published, dropped) = tokio::join!(
            speed::apply(pool, &a),
            speed::apply(pool, &b),
            batch::publish(pool, Artifact::BatchStatsHourly, &run, staged, true),
            speed::drop_covered(pool, now),
        );
        assert_eq!((a.unwrap().events, b.unwrap().events), (10, 10));
        published.unwrap();
        dropped.unwrap();
        all.extend(facts);
        assert_eq!(merged(pool, now).await, truth(&all), "round {round}");
        // Every other round the next late fact finds no row.
        if round % 2 == 0 {
            publish_events(pool, Hour::of(now)).await;
            speed::drop_covered(pool, now).await.unwrap();
            assert_eq!(rows(pool, "movie_id = 550").await, 0);
        }
        assert_eq!(merged(pool, now).await, truth(&all), "round {round}, after the run");
    }
}
