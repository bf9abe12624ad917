//! Runs of artifacts: staged, published, held back, found by day, collected.

use chrono::Utc;
use domain::artifacts::{Artifact, CacheFamily, PublishDecision};
use domain::jobs::JobKind;
use domain::{JobId, RunId};
use sqlx::PgPool;
use storage::postgres::artifacts::{self, Head};
use storage::postgres::jobs::{self, NewJob, lease};
use storage::postgres::{changes, speed};
use test_support::{batch, fixture, live};

use crate::support::{begin, days_ago, publish};

const ARTIFACT: Artifact = Artifact::RatingsByDecade;

async fn head(pool: &PgPool) -> Option<RunId> {
    artifacts::head(pool, ARTIFACT).await.unwrap().map(|head| head.run_id)
}

async fn generation(pool: &PgPool, family: CacheFamily) -> i64 {
    let all = changes::generations(pool).await.unwrap();
    all.into_iter().find(|(of, _)| *of == family).unwrap().1
}

fn is_held_back(decision: &PublishDecision, because: &str) -> bool {
    matches!(decision, PublishDecision::HoldBack { reason } if reason.contains(because))
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn readers_see_a_run_from_the_moment_it_is_published_and_what_was_cached_is_obsolete(pool: PgPool) {
    let run = artifacts::begin(&pool, ARTIFACT, JobId::new(), days_ago(1)).await.unwrap();
    assert_eq!(artifacts::head(&pool, ARTIFACT).await.unwrap(), None, "staged is invisible");
    let (analytics, movies) =
        (generation(&pool, CacheFamily::Analytics).await, generation(&pool, CacheFamily::Movies).await);
    publish(&pool, ARTIFACT, run, 7).await;
    let seen = artifacts::head(&pool, ARTIFACT).await.unwrap().unwrap();
    let expected =
        Head { run_id: run, as_of: days_ago(1), row_count: 7, published_at: seen.published_at, watermark: None };
    assert_eq!(seen, expected);
    assert!((Utc::now() - seen.published_at).num_seconds().abs() < 60);
    assert_eq!(generation(&pool, CacheFamily::Analytics).await, analytics + 1);
    assert_eq!(generation(&pool, CacheFamily::Movies).await, movies, "of its own family alone");
    assert_eq!(artifacts::head(&pool, Artifact::GenreStatsDaily).await.unwrap(), None);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_empty_or_halved_run_is_held_back_and_only_the_halved_one_can_be_forced(pool: PgPool) {
    let first = begin(&pool, ARTIFACT).await;
    publish(&pool, ARTIFACT, first, 100).await;
    for (rows, force, published) in [(49, false, false), (0, true, false), (50, false, true), (1, true, true)] {
        let before = head(&pool).await;
        let run = begin(&pool, ARTIFACT).await;
        let decision = artifacts::publish(&pool, ARTIFACT, run, rows, force).await.unwrap();
        let expected = if published { Some(run) } else { before };
        assert_eq!(head(&pool).await, expected, "{rows} rows, force {force}: {decision:?}");
        assert_eq!(decision == PublishDecision::Publish, published);
        let note: Option<String> = sqlx::query_scalar("SELECT note FROM artifact_runs WHERE run_id = $1")
            .bind(run.0)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(note.is_some(), !published, "the reason is kept: {note:?}");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_run_that_began_before_the_published_one_does_not_undo_it(pool: PgPool) {
    let slow = begin(&pool, ARTIFACT).await;
    let quick = begin(&pool, ARTIFACT).await;
    publish(&pool, ARTIFACT, quick, 10).await;
    let decision = artifacts::publish(&pool, ARTIFACT, slow, 10, false).await.unwrap();
    assert!(is_held_back(&decision, "started later"), "{decision:?}");
    assert_eq!(head(&pool).await, Some(quick));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_past_day_is_answered_from_the_newest_run_that_has_seen_no_later_day(pool: PgPool) {
    let mut runs = Vec::new();
    for back in [5, 3, 3, 1] {
        let run = artifacts::begin(&pool, ARTIFACT, JobId::new(), days_ago(back)).await.unwrap();
        publish(&pool, ARTIFACT, run, 10).await;
        runs.push(run);
    }
    // Held back: readers never saw it.
    let held = artifacts::begin(&pool, ARTIFACT, JobId::new(), days_ago(0)).await.unwrap();
    artifacts::publish(&pool, ARTIFACT, held, 1, false).await.unwrap();
    let as_of = async |back| {
        artifacts::as_of(&pool, ARTIFACT, days_ago(back)).await.unwrap().map(|head| (head.run_id, head.as_of))
    };
    assert_eq!(as_of(6).await, None);
    assert_eq!(as_of(5).await, Some((runs[0], days_ago(5))));
    assert_eq!(as_of(4).await, Some((runs[0], days_ago(5))));
    assert_eq!(as_of(2).await, Some((runs[2], days_ago(3))), "of two that have seen the day, the later");
    assert_eq!(as_of(0).await, Some((runs[3], days_ago(1))));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_that_is_taken_up_again_finds_the_run_that_it_published(pool: PgPool) {
    let (job, other) = (JobId::new(), JobId::new());
    let run = artifacts::begin(&pool, ARTIFACT, job, fixture::today()).await.unwrap();
    assert_eq!(artifacts::finished_by(&pool, ARTIFACT, job).await.unwrap(), None, "staged is not finished");
    publish(&pool, ARTIFACT, run, 7).await;
    assert_eq!(artifacts::finished_by(&pool, ARTIFACT, job).await.unwrap(), Some((run, 7)));
    assert_eq!(artifacts::finished_by(&pool, ARTIFACT, other).await.unwrap(), None);
    assert_eq!(artifacts::finished_by(&pool, Artifact::GenreStatsDaily, job).await.unwrap(), None);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn old_runs_and_those_of_dead_jobs_are_collected_and_never_the_head(pool: PgPool) {
    let mut published = Vec::new();
    for _ in 0..4 {
        let run = begin(&pool, ARTIFACT).await;
        publish(&pool, ARTIFACT, run, 10).await;
        published.push(run);
    }
    let mut held = Vec::new();
    for _ in 0..3 {
        let run = begin(&pool, ARTIFACT).await;
        artifacts::publish(&pool, ARTIFACT, run, 0, false).await.unwrap();
        held.push(run);
    }
    // Staged by a job that runs, and by one that is no more.
    let mut conn = pool.acquire().await.unwrap();
    let (job, _) = jobs::enqueue(&mut conn, NewJob::of(JobKind::RatingsByDecade, "test")).await.unwrap();
    lease::claim(&pool, job.id, "worker").await.unwrap().unwrap();
    artifacts::begin(&pool, ARTIFACT, job.id, fixture::today()).await.unwrap();
    let orphan = begin(&pool, ARTIFACT).await;
    begin(&pool, Artifact::GenreStatsDaily).await;

    let mut collectable = artifacts::collectable(&pool, ARTIFACT, 2).await.unwrap();
    collectable.sort_unstable();
    let mut expected = vec![published[0], published[1], held[0], orphan];
    expected.sort_unstable();
    assert_eq!(collectable, expected);
    let none_kept = artifacts::collectable(&pool, ARTIFACT, 0).await.unwrap();
    assert!(!none_kept.contains(&published[3]), "the head stays");
    assert_eq!(none_kept.len(), 3 + 3 + 1);
}

/// Tables that hold rows of runs, the ledger of runs itself aside.
async fn tables_of_runs(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name = 'run_id' AND table_name NOT IN ('artifact_runs', 'artifact_heads')",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn rows_of(pool: &PgPool, run: RunId) -> i64 {
    let mut rows = 0;
    for table in tables_of_runs(pool).await {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE run_id = $1"));
        rows += sqlx::query_scalar::<_, i64>(sql).bind(run.0).fetch_one(pool).await.unwrap();
    }
    rows
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn deleting_a_run_deletes_its_rows_from_every_table_and_nothing_else(pool: PgPool) {
    fixture::small(&pool).await;
    let mut facts = speed::MicroBatch::default();
    facts.events.push(live::event(550, domain::events::EventType::View, Utc::now() - chrono::TimeDelta::hours(5)));
    facts.reviews.push(live::review(550, "Great.", Utc::now() - chrono::TimeDelta::hours(5)));
    live::apply(&pool, &facts).await.unwrap();
    batch::events(&pool, Utc::now()).await;
    batch::views(&pool).await;
    let mut heads = Vec::new();
    for artifact in Artifact::ALL {
        // The fixture's leads appear alone, so that collaboration has no rows and its run was held back.
        match artifacts::head(&pool, artifact).await.unwrap() {
            Some(head) => heads.push((artifact, head)),
            None => assert_eq!(artifact, Artifact::ActorCollaboration, "no run: stage one in test-support"),
        }
    }
    sqlx::query("DELETE FROM artifact_heads").execute(&pool).await.unwrap();
    for (n, (artifact, head)) in heads.iter().enumerate() {
        assert!(rows_of(&pool, head.run_id).await >= head.row_count && head.row_count > 0, "{artifact:?}");
        let deleted = artifacts::delete_run(&pool, *artifact, head.run_id).await.unwrap();
        assert_eq!((deleted as i64, rows_of(&pool, head.run_id).await), (head.row_count, 0), "{artifact:?}");
        for (other, head) in &heads[n + 1..] {
            assert!(rows_of(&pool, head.run_id).await > 0, "{artifact:?} took {other:?}'s rows");
        }
    }
}
