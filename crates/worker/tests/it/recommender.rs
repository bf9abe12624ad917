//! The recommender's jobs: from facts to published lists, and what happens when something breaks between.

use std::path::{Path, PathBuf};

use domain::ViewerId;
use domain::artifacts::Artifact;
use domain::jobs::{EvaluateModel, JobKind, JobStatus, PromoteModel};
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::batch::recommendations;
use storage::postgres::recommendations::viewer as served;
use storage::postgres::{artifacts, models};
use tempfile::TempDir;

use crate::support::Stack;

/// Two tastes: odd viewers like odd movies, even ones even movies. Movies 1051 to 1060 have no viewer.
async fn tastes(pool: &PgPool, viewers: i64) {
    sqlx::query(
        "INSERT INTO movies (movie_id, title, genres, keywords, popularity, vote_average, vote_count, source)
         SELECT 1000 + n, 'Movie ' || n, ARRAY[CASE n % 2 WHEN 0 THEN 'Drama' ELSE 'Comedy' END], '{}', n, 5, 10, 'demo'
         FROM generate_series(1, 60) n",
    )
    .execute(pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO ratings (source, user_id, movie_id, rating, rated_at)
         SELECT 'demo', u, 1000 + m, 8, '2026-03-01'::timestamptz - make_interval(hours => m)
         FROM generate_series(1, $1) u, generate_series(1, 50) m
         WHERE m % 2 = u % 2 AND (u * 31 + m * 17) % 5 < 3",
    )
    .bind(viewers)
    .execute(pool)
    .await
    .unwrap();
}

async fn stack(pool: &PgPool) -> (Stack, TempDir) {
    let objects = tempfile::tempdir().unwrap();
    let url = objects.path().join("objects").display().to_string();
    let stack = Stack::new(pool)
        .await
        .with("OBJECT_STORE_URL", url)
        .with("RECOMMENDER_FACTORS", "8")
        .with("RECOMMENDER_ITERATIONS", "5")
        .with("RECOMMENDER_EASE_REGULARISATION", "20");
    (stack, objects)
}

async fn viewer(pool: &PgPool, name: &str) -> ViewerId {
    let id: i64 =
        sqlx::query_scalar("SELECT viewer_id FROM viewers WHERE name = $1").bind(name).fetch_one(pool).await.unwrap();
    ViewerId::new(id).unwrap()
}

/// A viewer's published list.
async fn list(pool: &PgPool, name: &str) -> Option<Vec<i64>> {
    let list = served::find(pool, &name.parse().unwrap()).await.unwrap()?.batch;
    (!list.is_empty()).then(|| list.into_iter().map(|(movie, _)| movie.get()).collect())
}

async fn chain(stack: &Stack) -> Value {
    let job = stack.run(JobKind::TrainRecommender).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");
    job.result.unwrap()
}

/// Times each step of the only chain was begun.
async fn steps(pool: &PgPool) -> Vec<(String, i32)> {
    sqlx::query_as("SELECT step, runs FROM job_steps ORDER BY position").fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_chain_makes_a_model_of_tastes_and_a_list_for_everybody(pool: PgPool) {
    let (stack, _objects) = stack(&pool).await;
    tastes(&stack.pool, 400).await;
    // A movie that is gone is in no list.
    sqlx::query("UPDATE movies SET tombstoned_at = now() WHERE movie_id = 1002").execute(&pool).await.unwrap();
    let worker = stack.worker().await;
    let result = chain(&stack).await;
    let version = result["train-model"]["version"].as_str().unwrap().to_owned();
    assert!(version.starts_with("als_20"), "{result}");
    assert_eq!(result["promote-model"]["outcome"], "active", "{result}");
    assert_eq!(result["generate-recommendations"]["rows"], 400, "{result}");
    let model = models::get(&stack.pool, &version).await.unwrap().unwrap();
    let metrics = model.metrics.unwrap();
    assert!(metrics["viewers"].as_u64().unwrap() >= 20, "{metrics}");
    assert!(metrics["verdict"].as_str().unwrap().starts_with("Yes: better than popularity"), "{metrics}");

    let seen: Vec<i64> =
        sqlx::query_scalar("SELECT movie_id FROM ratings WHERE user_id = 8").fetch_all(&pool).await.unwrap();
    let listed = list(&pool, "8").await.unwrap();
    assert!(!listed.iter().any(|movie| seen.contains(movie)), "{listed:?}");
    assert!(!listed.contains(&1002), "{listed:?}");
    assert!(listed[..5].iter().all(|movie| movie % 2 == 0), "{listed:?}");

    let vectors: Vec<(i64, bool, bool)> = sqlx::query_as(
        "SELECT movie_id, cold, vector_norm(vector) > 0 FROM movie_vectors WHERE version = $1 ORDER BY 1",
    )
    .bind(&version)
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(vectors.len(), 59, "the whole catalogue");
    assert!(vectors.iter().all(|(movie, cold, any)| *any && *cold == (*movie > 1050)), "{vectors:?}");

    // Another night: a new version, compared with the first over the same viewers; the lists are replaced.
    let second = chain(&stack).await;
    assert_ne!(second["train-model"]["version"], version.as_str());
    assert_eq!(second["promote-model"]["outcome"], "active", "equal is not worse: {second}");
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM models ORDER BY created_at").fetch_all(&pool).await.unwrap();
    assert_eq!(states, ["retired", "active"]);
    assert_eq!(list(&pool, "8").await.unwrap(), listed, "the same data, seed and day");
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_gate_refuses_what_is_shown_to_be_worse(pool: PgPool) {
    let (stack, _objects) = stack(&pool).await;
    tastes(&stack.pool, 400).await;
    let worker = stack.worker().await;
    let first = chain(&stack).await;
    let id = stack.enqueue(JobKind::TrainModel).await;
    let trained = stack.until(id, JobStatus::Succeeded).await.result.unwrap();
    let version = trained["version"].as_str().unwrap().to_owned();
    sqlx::query("UPDATE models SET algorithm = 'popularity' WHERE version = $1")
        .bind(&version)
        .execute(&pool)
        .await
        .unwrap();
    let early = stack.enqueue_with(&PromoteModel { version: Some(version.clone()) }).await;
    let early = stack.until(early, JobStatus::Failed).await.error.unwrap();
    assert!(early.contains("run evaluate-model"), "{early}");
    let id = stack.enqueue_with(&EvaluateModel { version: Some(version.clone()) }).await;
    stack.until(id, JobStatus::Succeeded).await;
    let id = stack.enqueue_with(&PromoteModel { version: Some(version.clone()) }).await;
    let gate = stack.until(id, JobStatus::Succeeded).await.result.unwrap();
    assert_eq!(gate["outcome"], "refused", "{gate}");
    assert!(gate["reason"].as_str().unwrap().starts_with("worse than the active model: NDCG -"), "{gate}");
    let active = models::active(&pool).await.unwrap();
    assert_eq!(active.as_deref(), first["train-model"]["version"].as_str());
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_installation_without_viewers_or_with_one_has_a_green_night(pool: PgPool) {
    let (stack, _objects) = stack(&pool).await;
    tastes(&stack.pool, 0).await;
    let worker = stack.worker().await;
    let empty = chain(&stack).await;
    assert_eq!(empty["train-model"]["outcome"], "nothing_to_train", "{empty}");
    assert_eq!(empty["generate-recommendations"]["outcome"], "no_model", "{empty}");
    sqlx::query("INSERT INTO ratings VALUES ('tmdb', 5, 1003, 9, now()), ('tmdb', 5, 1004, 9, now())")
        .execute(&pool)
        .await
        .unwrap();
    let one = chain(&stack).await;
    assert_eq!(one["promote-model"]["outcome"], "active", "{one}");
    assert_eq!(list(&pool, "tmdb:5").await, None, "both movies that anybody knows are seen");
    worker.stop().await;
}

/// The file of the only model.
fn factors(objects: &Path) -> PathBuf {
    let models = std::fs::read_dir(objects.join("objects/models")).unwrap();
    models.map(|model| model.unwrap().path().join("item_factors.npy")).next().unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_flipped_bit_is_refused_and_the_lists_stay(pool: PgPool) {
    let (stack, objects) = stack(&pool).await;
    tastes(&stack.pool, 20).await;
    let worker = stack.worker().await;
    chain(&stack).await;
    let before = list(&pool, "8").await;
    let file = factors(objects.path());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let job = stack.run(JobKind::GenerateRecommendations).await;
    assert_eq!(job.status, JobStatus::Failed, "{job:?}");
    assert!(job.error.as_deref().unwrap().contains("item_factors.npy of the object store is damaged"), "{job:?}");
    assert_eq!(list(&pool, "8").await, before);
    // The next night's model replaces it.
    assert_eq!(chain(&stack).await["promote-model"]["outcome"], "active");
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_object_store_that_is_away_is_waited_for(pool: PgPool) {
    let (stack, objects) = stack(&pool).await;
    tastes(&stack.pool, 20).await;
    let away = objects.path().join("objects");
    std::fs::write(&away, "not mounted").unwrap();
    let worker = stack.worker().await;
    let id = stack.enqueue(JobKind::TrainRecommender).await;
    let job = stack.until(id, JobStatus::Retrying).await;
    assert!(job.error.as_deref().unwrap().starts_with("train-model: "), "{job:?}");
    std::fs::remove_file(&away).unwrap();
    stack.until(id, JobStatus::Succeeded).await;
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn killed_while_training_or_publishing_the_chain_resumes_and_old_lists_stay(pool: PgPool) {
    let (stack, _objects) = stack(&pool).await;
    tastes(&stack.pool, 100).await;
    let worker = stack.worker().await;
    chain(&stack).await;
    worker.stop().await;
    let before = artifacts::head(&pool, Artifact::BatchRecommendations).await.unwrap();
    sqlx::query("DELETE FROM job_steps").execute(&pool).await.unwrap();

    // While it stores what it has trained.
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE models IN SHARE MODE").execute(&mut *lock).await.unwrap();
    let process = stack.process();
    let id = stack.enqueue(JobKind::TrainRecommender).await;
    let storing = |job: &storage::postgres::jobs::Job| job.phase.as_deref().is_some_and(|p| p.contains("storing"));
    stack.until_where(id, "stores the model", storing).await;
    process.kill();
    lock.rollback().await.unwrap();
    stack.expire_lease(id).await;

    // While it publishes.
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE artifact_heads IN EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let process = stack.process();
    let scoring = |job: &storage::postgres::jobs::Job| job.phase.as_deref().is_some_and(|p| p.contains("scoring"));
    stack.until_where(id, "scores viewers", scoring).await;
    process.kill();
    lock.rollback().await.unwrap();
    assert_eq!(artifacts::head(&pool, Artifact::BatchRecommendations).await.unwrap(), before, "the lists stay");
    stack.expire_lease(id).await;

    let worker = stack.worker().await;
    stack.until(id, JobStatus::Succeeded).await;
    let begun = [("train-model", 2), ("evaluate-model", 1), ("promote-model", 1), ("generate-recommendations", 2)];
    assert_eq!(steps(&pool).await, begun.map(|(step, runs)| (step.to_owned(), runs)));
    let after = artifacts::head(&pool, Artifact::BatchRecommendations).await.unwrap();
    assert_ne!(after.map(|head| head.run_id), before.map(|head| head.run_id));
    assert_eq!(models::count(&pool).await.unwrap(), 2, "the killed attempt registered nothing");

    // What the killed attempt staged goes with its partition.
    let partitions = async || -> i64 {
        let sql = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'batch_recommendations'::regclass";
        sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
    };
    assert_eq!(partitions().await, 3);
    stack.run(JobKind::CollectRuns).await;
    assert_eq!(partitions().await, 2);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_viewer_who_is_forgotten_meanwhile_gets_no_list(pool: PgPool) {
    let (stack, _objects) = stack(&pool).await;
    tastes(&stack.pool, 20).await;
    let worker = stack.worker().await;
    chain(&stack).await;
    assert!(list(&pool, "8").await.is_some());
    // Between the scores and the publication: the rows are gone from `viewers` when they are staged.
    let id = viewer(&pool, "8").await;
    let mut conn = pool.acquire().await.unwrap();
    let run =
        artifacts::begin(&pool, Artifact::BatchRecommendations, domain::JobId::new(), test_support::fixture::today())
            .await
            .unwrap();
    recommendations::open(&mut conn, run).await.unwrap();
    let lists = [viewer(&pool, "9").await, id]
        .map(|viewer| recommendations::ViewerList { viewer, movies: vec![(domain::MovieId::new(1001).unwrap(), 0.5)] });
    assert_eq!(recommendations::stage(&mut *conn, run, &lists).await.unwrap(), 2);
    sqlx::query("DELETE FROM viewers WHERE name = '8'").execute(&pool).await.unwrap();
    assert_eq!(recommendations::without_forgotten(&mut conn, run).await.unwrap(), 1);
    assert_eq!(recommendations::stage(&mut *conn, run, &lists[1..]).await.unwrap(), 0);
    worker.stop().await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn old_versions_go_with_their_files_and_vectors(pool: PgPool) {
    let (stack, objects) = stack(&pool).await;
    let stack = stack.with("RECOMMENDER_MODELS_KEPT", "2");
    tastes(&stack.pool, 20).await;
    let worker = stack.worker().await;
    for _ in 0..3 {
        chain(&stack).await;
    }
    let versions: Vec<(String, String)> =
        sqlx::query_as("SELECT version, state FROM models ORDER BY created_at").fetch_all(&pool).await.unwrap();
    assert_eq!(versions.iter().map(|v| v.1.as_str()).collect::<Vec<_>>(), ["retired", "active"]);
    assert_eq!(std::fs::read_dir(objects.path().join("objects/models")).unwrap().count(), 2);
    let partitions: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_inherits WHERE inhparent = 'movie_vectors'::regclass")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(partitions, 2);
    worker.stop().await;
}
