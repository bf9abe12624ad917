//! Batch views of the catalogue: trends, genre analytics, collaboration; and what holds for every batch job.

use chrono::{NaiveDate, TimeDelta};
use domain::artifacts::Artifact;
use domain::genre_analytics::{Selection, Statistics};
use domain::jobs::{JobKind, JobStatus};
use domain::page::Page;
use domain::trends::{Direction, Metric, Scope, summary};
use domain::{PersonId, RunId};
use futures::TryStreamExt;
use sqlx::PgPool;
use storage::postgres::artifacts::{self, Head};
use storage::postgres::batch::{actor_collaboration, genre_analytics, trends};
use test_support::fixture;

use crate::artifacts::rows;
use crate::batch_events::viewers;
use crate::support::Stack;

pub(crate) async fn head(pool: &PgPool, artifact: Artifact) -> Head {
    artifacts::head(pool, artifact).await.unwrap().unwrap()
}

async fn succeed(stack: &Stack, kind: JobKind) -> RunId {
    let job = stack.run(kind).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");
    head(&stack.pool, kind.artifact().unwrap()).await.run_id
}

/// Al Pacino and Diane Keaton in both Godfathers, and a third who also plays two parts in one of them.
async fn casts(pool: &PgPool) {
    sqlx::query("INSERT INTO people (person_id, name) VALUES (3092, 'Diane Keaton'), (3087, 'Robert Duvall')")
        .execute(pool)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO movie_credits (movie_id, role, position, person_id) VALUES
         (238, 'cast', 1, 3092), (240, 'cast', 1, 3092), (240, 'cast', 2, 3087), (240, 'cast', 3, 3087)",
    )
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn every_batch_job_run_twice_publishes_the_same_rows_under_a_new_run(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    casts(&stack.pool).await;
    viewers(&stack.pool).await;
    let worker = stack.worker().await;
    for kind in [
        JobKind::EventStats,
        JobKind::Sentiment,
        JobKind::Trends,
        JobKind::GenreAnalytics,
        JobKind::ActorCollaboration,
        JobKind::Predictions,
    ] {
        let artifact = kind.artifact().unwrap();
        let first = succeed(&stack, kind).await;
        let published = rows(&stack.pool, artifact).await;
        assert!(!published.is_empty(), "{kind}");
        assert_eq!(published.len() as i64, head(&stack.pool, artifact).await.row_count, "{kind}");

        assert_ne!(succeed(&stack, kind).await, first);
        assert_eq!(rows(&stack.pool, artifact).await, published, "{kind}");
    }
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn runs_of_batch_views_are_collected_with_their_rows(pool: PgPool) {
    let stack = Stack::new(&pool).await.with("ARTIFACT_RUNS_KEPT", "1");
    fixture::catalogue(&stack.pool).await;
    casts(&stack.pool).await;
    viewers(&stack.pool).await;
    let worker = stack.worker().await;
    for _ in 0..2 {
        assert_eq!(stack.run(JobKind::ComputeAll).await.status, JobStatus::Succeeded);
    }
    let collected = stack.run(JobKind::CollectRuns).await.result.unwrap();
    // No model is active, so there are no lists.
    let published = Artifact::ALL.into_iter().filter(|artifact| *artifact != Artifact::BatchRecommendations);
    assert_eq!(collected["runs_deleted"], Artifact::ALL.len() - 1, "{collected}");
    for table in published.map(Artifact::as_str).chain(["prediction_backtests"]) {
        let sql = format!("SELECT count(DISTINCT run_id) FROM {table}");
        let runs: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&stack.pool).await.unwrap();
        assert_eq!(runs, 1, "{table}");
    }
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn trends_say_what_the_daily_metrics_say(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    let worker = stack.worker().await;
    let run = succeed(&stack, JobKind::Trends).await;
    worker.stop().await;
    let (as_of, pool) = (head(&stack.pool, Artifact::TemporalTrends).await.as_of, &stack.pool);
    assert_eq!(as_of, fixture::today());
    let points = async |scope, metric, days| {
        trends::points(pool, run, as_of, &scope, metric, as_of - TimeDelta::days(days)).await.unwrap()
    };

    // Eight movies; Fight Club gains 4 a day for seven days, the others stand still.
    let all = points(Scope::All, Metric::Popularity, 30).await;
    assert_eq!(all.len(), 8);
    assert_eq!((all[0].value, all[0].count), (51.5, 8));
    assert_eq!((all[7].day, all[7].value), (as_of, 55.0));
    assert_eq!(points(Scope::All, Metric::Popularity, 2).await, all[5..], "a window is the end of the series");

    let drama = points(Scope::Genre("Drama".into()), Metric::Rating, 30).await;
    assert_eq!(drama.len(), 8);
    assert!(drama.iter().all(|day| (day.value - 8.475).abs() < 1e-6 && day.count == 4), "{drama:?}");
    assert_eq!(summary(&drama).trend, Direction::Stable);

    let movie = points(Scope::Movie(fixture::movie_id(550)), Metric::Popularity, 30).await;
    assert_eq!(movie.iter().map(|day| day.value).collect::<Vec<_>>(), [42., 46., 50., 54., 58., 62., 66., 70.]);
    let movie = summary(&movie);
    assert_eq!(movie.trend, Direction::Increasing);
    assert!((movie.change_rate - 4.0).abs() < 1e-9, "{movie:?}");

    assert_eq!(points(Scope::All, Metric::Sentiment, 30).await, [], "nobody wrote a review");
    assert_eq!(points(Scope::Genre("Western".into()), Metric::Rating, 30).await, []);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn genre_analytics_answer_every_selection_of_months(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    viewers(&stack.pool).await;
    let worker = stack.worker().await;
    succeed(&stack, JobKind::Sentiment).await;
    let run = succeed(&stack, JobKind::GenreAnalytics).await;
    worker.stop().await;
    let pool = &stack.pool;
    let ask = async |year, month| {
        let selection = Selection { genre: "Drama".into(), year, month };
        let sums = genre_analytics::sums(pool, run, &selection).await.unwrap();
        let movies: Vec<_> = genre_analytics::list(pool, &selection).try_collect().await.unwrap();
        assert_eq!(sums.total_movies, movies.len() as i64, "{selection:?}");
        (sums.statistics(), movies.into_iter().map(|movie| movie.movie_id).collect::<Vec<_>>())
    };

    let (whole, movies) = ask(None, None).await;
    assert_eq!(movies, [238, 240, 550, 289], "best rated first");
    assert!((whole.avg_rating.unwrap() - 8.475).abs() < 1e-9, "{whole:?}");
    assert_eq!((whole.avg_popularity, whole.total_revenue), (Some(60.0), 245_066_411));

    let (march, movies) = ask(Some(1972), Some(3)).await;
    assert_eq!(movies, [238]);
    let expected = Statistics {
        total_movies: 1,
        avg_rating: Some(8.7),
        avg_sentiment: None,
        avg_popularity: Some(90.0),
        total_revenue: 245_066_411,
        avg_budget: Some(6_000_000.0),
        avg_runtime: Some(120.0),
    };
    assert_eq!(march, expected);

    let (octobers, movies) = ask(None, Some(10)).await;
    assert_eq!(movies, [550]);
    // Three viewers: 0.5, 0.25 and -0.75.
    assert_eq!(octobers.avg_sentiment, Some(0.0), "{octobers:?}");
    assert_eq!(ask(Some(1974), None).await.1, [240]);
    assert_eq!(ask(Some(1974), Some(1)).await.0.avg_rating, None);
    assert_eq!(ask(Some(i32::MAX), None).await.1, [0; 0]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn people_who_lead_movies_together_find_each_other(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    casts(&stack.pool).await;
    let worker = stack.worker().await;
    let run = succeed(&stack, JobKind::ActorCollaboration).await;
    worker.stop().await;
    let of = async |person| {
        let person = PersonId::new(person).unwrap();
        let (rows, total) = actor_collaboration::of_person(&stack.pool, run, person, Page::default()).await.unwrap();
        assert_eq!(rows.len() as i64, total);
        rows.into_iter().map(|row| (row.name, row.movies, row.avg_rating)).collect::<Vec<_>>()
    };
    let keaton = of(3092).await;
    assert_eq!(keaton[0].0, "Al Pacino");
    assert_eq!(keaton[0].1, 2);
    assert!((keaton[0].2.unwrap() - 8.65).abs() < 1e-9, "{keaton:?}");
    assert_eq!(keaton[1], ("Robert Duvall".to_owned(), 1, Some(8.6)), "two parts in one movie are one movie");
    assert_eq!(of(1158).await.len(), 2);
    assert_eq!(of(287).await, [], "alone on the bill");
    let name = actor_collaboration::name(&stack.pool, PersonId::new(3092).unwrap()).await.unwrap();
    assert_eq!(name.as_deref(), Some("Diane Keaton"));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_with_nothing_to_work_from_says_so(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    let worker = stack.worker().await;
    for kind in [JobKind::Trends, JobKind::Predictions] {
        let job = stack.run(kind).await;
        assert_eq!(job.status, JobStatus::Failed);
        assert!(job.error.unwrap().contains("run ingest first"), "{kind}");
    }
    for kind in [JobKind::GenreAnalytics, JobKind::ActorCollaboration] {
        let job = stack.run(kind).await;
        let result = job.result.unwrap();
        assert_eq!((job.status, &result["outcome"]), (JobStatus::Succeeded, &"hold_back".into()), "{kind}: {result}");
        assert_eq!(artifacts::head(&stack.pool, kind.artifact().unwrap()).await.unwrap(), None);
    }
    // No events and no reviews so far is a finding, without which both would count as stale.
    for kind in [JobKind::EventStats, JobKind::Sentiment] {
        let result = stack.run(kind).await.result.unwrap();
        assert_eq!((&result["outcome"], &result["rows"]), (&"publish".into(), &0.into()), "{kind}: {result}");
    }
    assert_eq!(trends::newest_day(&stack.pool, NaiveDate::MAX).await.unwrap(), None);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_tests_publish_without_a_worker_is_what_the_jobs_publish(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    casts(&stack.pool).await;
    viewers(&stack.pool).await;
    test_support::batch::events(&stack.pool, chrono::Utc::now()).await;
    test_support::batch::views(&stack.pool).await;
    let worker = stack.worker().await;
    for kind in [JobKind::GenreAnalytics, JobKind::ActorCollaboration] {
        let artifact = kind.artifact().unwrap();
        let published = rows(&stack.pool, artifact).await;
        succeed(&stack, kind).await;
        assert_eq!(rows(&stack.pool, artifact).await, published, "{kind}");
    }
    worker.stop().await;
    assert_eq!(head(&stack.pool, Artifact::TrendPredictions).await.row_count, 8 * 14);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_a_dead_attempt_staged_is_never_read_and_goes_with_the_next_collection(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    casts(&stack.pool).await;
    viewers(&stack.pool).await;
    test_support::batch::events(&stack.pool, chrono::Utc::now()).await;
    let kinds = [
        JobKind::EventStats,
        JobKind::Sentiment,
        JobKind::Trends,
        JobKind::GenreAnalytics,
        JobKind::ActorCollaboration,
        JobKind::Predictions,
    ];
    for kind in kinds {
        let artifact = kind.artifact().unwrap();
        let worker = stack.worker().await;
        let whole = succeed(&stack, kind).await;
        worker.stop().await;
        let published = rows(&stack.pool, artifact).await;

        // A worker that died half way: a run of the job that waits, with some of its rows.
        let id = stack.enqueue(kind).await;
        let dead = artifacts::begin(&stack.pool, artifact, id, fixture::today()).await.unwrap();
        let table = artifact.as_str();
        let sql = format!(
            "INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('run_id', $1::text))).*
             FROM {table} t WHERE run_id = $2 LIMIT 2"
        );
        let staged = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(dead.0.to_string()).bind(whole.0);
        assert!(staged.execute(&stack.pool).await.unwrap().rows_affected() > 0, "{kind}");

        let worker = stack.worker().await;
        stack.until(id, JobStatus::Succeeded).await;
        worker.stop().await;
        assert!(![whole, dead].contains(&head(&stack.pool, artifact).await.run_id), "{kind}");
        assert_eq!(rows(&stack.pool, artifact).await, published, "{kind}");
    }
    let worker = stack.worker().await;
    let collected = stack.run(JobKind::CollectRuns).await.result.unwrap();
    worker.stop().await;
    assert_eq!(collected["runs_deleted"], kinds.len(), "{collected}");
}
