//! Runs of artifacts: what becomes of them when the head moves on, and that all their rows can be deleted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use domain::JobId;
use domain::artifacts::Artifact;
use sqlx::PgPool;
use storage::postgres::artifacts;

async fn publish(pool: &PgPool, artifact: Artifact, day: u32) -> domain::RunId {
    let day = chrono::NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
    let run = artifacts::begin(pool, artifact, JobId::new(), day).await.unwrap();
    artifacts::publish(pool, artifact, run, 10, false).await.unwrap();
    run
}

async fn status(pool: &PgPool, run: domain::RunId) -> String {
    sqlx::query_scalar("SELECT status FROM artifact_runs WHERE run_id = $1").bind(run.0).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_run_before_is_superseded_and_as_of_still_finds_it(pool: PgPool) {
    let artifact = Artifact::GenreStatsDaily;
    let other = publish(&pool, Artifact::RatingsByDecade, 1).await;
    let (first, second) = (publish(&pool, artifact, 1).await, publish(&pool, artifact, 2).await);
    assert_eq!(status(&pool, first).await, "superseded");
    assert_eq!(status(&pool, second).await, "published");
    assert_eq!(status(&pool, other).await, "published", "another artifact's run is none of its business");
    let day = |day| chrono::NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
    let as_of = async |day| artifacts::as_of(&pool, artifact, day).await.unwrap().map(|head| head.run_id);
    assert_eq!(as_of(day(1)).await, Some(first));
    assert_eq!(as_of(day(2)).await, Some(second));
    assert_eq!(artifacts::head(&pool, artifact).await.unwrap().unwrap().run_id, second);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn runs_of_releases_that_superseded_none_are_kept_and_collected_together(pool: PgPool) {
    let artifact = Artifact::GenreStatsDaily;
    let mut runs = Vec::new();
    for day in 1..=4 {
        runs.push(publish(&pool, artifact, day).await);
        sqlx::query("UPDATE artifact_runs SET status = 'published'").execute(&pool).await.unwrap();
    }
    assert_eq!(artifacts::collectable(&pool, artifact, 3).await.unwrap(), [runs[0]]);
    runs.push(publish(&pool, artifact, 5).await);
    assert_eq!(status(&pool, runs[0]).await, "superseded");
    let mut gone = artifacts::collectable(&pool, artifact, 3).await.unwrap();
    gone.sort_by_key(|run| runs.iter().position(|other| other == run));
    assert_eq!(gone, runs[..2], "the newest three stay, whatever their status says");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_finds_the_run_it_published_after_a_newer_one_was(pool: PgPool) {
    let (artifact, job) = (Artifact::GenreStatsDaily, JobId::new());
    let day = chrono::NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
    let run = artifacts::begin(&pool, artifact, job, day).await.unwrap();
    artifacts::publish(&pool, artifact, run, 10, false).await.unwrap();
    publish(&pool, artifact, 2).await;
    assert_eq!(artifacts::finished_by(&pool, artifact, job).await.unwrap(), Some((run, 10)));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn each_table_of_each_artifact_has_rows_by_run(pool: PgPool) {
    let mut by_run: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name = 'run_id' AND table_name NOT LIKE 'artifact_%' ORDER BY 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut named: Vec<String> =
        Artifact::ALL.iter().flat_map(|artifact| artifact.spec().tables).map(|table| table.name().to_owned()).collect();
    named.sort();
    by_run.sort();
    assert_eq!(named, by_run, "a table that no definition names is never collected");
    for artifact in Artifact::ALL {
        let run = publish(&pool, artifact, 1).await;
        sqlx::query("DELETE FROM artifact_heads").execute(&pool).await.unwrap();
        assert_eq!(artifacts::delete_run(&pool, artifact, run).await.unwrap(), 0, "{artifact:?}");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_runs_rows_go_with_it_and_another_runs_stay(pool: PgPool) {
    let artifact = Artifact::GenreStatsDaily;
    let (old, new) = (publish(&pool, artifact, 1).await, publish(&pool, artifact, 2).await);
    for run in [old, new] {
        sqlx::query(
            "INSERT INTO genre_stats_daily (run_id, genre, movie_count, vote_count, total_revenue)
             SELECT $1, 'Genre ' || n, 1, 1, 1 FROM generate_series(1, 3) n",
        )
        .bind(run.0)
        .execute(&pool)
        .await
        .unwrap();
    }
    assert_eq!(artifacts::delete_run(&pool, artifact, old).await.unwrap(), 3);
    let left: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT DISTINCT run_id FROM genre_stats_daily").fetch_all(&pool).await.unwrap();
    assert_eq!(left, [new.0]);
}
