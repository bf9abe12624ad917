//! The active model: loaded whole or refused, folded in exactly, replaced within a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use domain::preferences::Preference;
use domain::{JobId, MovieId};
use query::model::{ActiveModel, ModelParts, ServingModel};
use recommender::als::{self, Parameters};
use recommender::interactions::{Builder, Preference as Direction};
use recommender::{Factors, Interactions};
use sqlx::PgPool;
use storage::StorageError;
use storage::changes::ChangeFeed;
use storage::objects::{Objects, ObjectsConfig};
use storage::postgres::models::{self, Activation, MovieVector, NewModel};
use tempfile::TempDir;

const FACTORS: usize = 4;

fn movie(id: i64) -> MovieId {
    MovieId::new(id).unwrap()
}

fn liked(weight: f32) -> Preference {
    Preference { weight, liked: true, newest_at: Utc::now() }
}

fn interactions() -> Interactions {
    let mut builder = Builder::new(0, 0);
    for viewer in 0..12u32 {
        for item in (0..6u32).filter(|item| (item + viewer) % 2 == 0 && (item * 5 + viewer * 3) % 4 != 0) {
            builder.push(viewer, item, 1.5, Direction::Like).unwrap();
        }
    }
    builder.build().unwrap()
}

/// Movies 10, 20, …, 60 are trained, 35 is cold.
fn parts(seed: u64) -> (ModelParts, als::Model) {
    let parameters = Parameters { factors: FACTORS, iterations: 3, seed, ..Parameters::default() };
    let model = als::train(&interactions(), &parameters, &()).unwrap();
    let movies: Vec<MovieId> = [10, 20, 30, 35, 40, 50, 60].map(movie).to_vec();
    let mut factors = Factors::zeros(7, FACTORS);
    let mut counts = vec![(3.0, 2); 7];
    for (at, item) in [0, 1, 2, 9, 3, 4, 5].into_iter().enumerate() {
        match item {
            9 => counts[at] = (0.0, 0),
            item => factors.row_mut(at).copy_from_slice(model.items.row(item)),
        }
    }
    factors.row_mut(3).copy_from_slice(&[0.1, 0.2, 0.3, 0.4]);
    (ModelParts { movies, factors, counts, parameters }, model)
}

async fn register(pool: &PgPool, objects: &Objects, version: &str, parts: &ModelParts) {
    let files = parts.store(objects, version).await.unwrap();
    let new = NewModel {
        version: version.to_owned(),
        algorithm: "als",
        job_id: JobId::new(),
        parameters: serde_json::json!({}),
        fingerprint: "none".into(),
        viewers: 12,
        movies: parts.movies.len() as i64,
        interactions: 18,
        factors: FACTORS as i32,
        files,
    };
    let mut tx = pool.begin().await.unwrap();
    models::register(&mut tx, &new).await.unwrap();
    let vectors: Vec<MovieVector<'_>> = (0..parts.movies.len())
        .map(|at| MovieVector {
            movie_id: parts.movies[at],
            vector: parts.factors.row(at),
            cold: parts.counts[at].1 == 0,
        })
        .collect();
    models::write_vectors(&mut tx, version, &vectors).await.unwrap();
    models::index_vectors(&mut tx, version, FACTORS as i32).await.unwrap();
    tx.commit().await.unwrap();
}

async fn activate(pool: &PgPool, version: &str) {
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(models::activate(&mut tx, version, "test").await.unwrap(), Activation::Activated);
    tx.commit().await.unwrap();
}

fn store() -> (TempDir, Objects) {
    let directory = tempfile::tempdir().unwrap();
    let objects = Objects::open(&ObjectsConfig::directory(directory.path().display().to_string())).unwrap();
    (directory, objects)
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_loaded_model_folds_in_as_training_did_and_explains_to_the_sum(pool: PgPool) {
    let (_directory, objects) = store();
    let (parts, trained) = parts(1);
    register(&pool, &objects, "als_a", &parts).await;
    let model = ServingModel::load(&objects, &pool, "als_a").await.unwrap();
    assert_eq!(model.movies, parts.movies);
    assert_eq!(model.cold, [false, false, false, true, false, false, false]);
    let data = interactions();
    let row = data.viewers().row(0);
    // What viewer 0 did, in any order, with a movie that the model was not trained on.
    let mut history: Vec<(MovieId, Preference)> =
        row.iter().map(|(item, weight)| (movie(10 * (i64::from(item) + 1)), liked(weight))).collect();
    history.reverse();
    history.push((movie(35), liked(1.0)));
    history.push((movie(999), liked(1.0)));
    let vector = model.fold_in(&history);
    assert_eq!(vector, trained.viewers.row(0), "to the bit");
    let explained = model.explain(&history, movie(60)).unwrap();
    let sum: f32 = explained.contributions.iter().map(|part| part.1).sum();
    assert!((sum - model.score(&vector, 6)).abs() < 1e-4 && (explained.score - sum).abs() < 1e-5, "{explained:?}");
    assert_eq!(model.explain(&history, movie(35)), None, "cold");
    assert_eq!(model.scores(&vector).len(), 7);
    assert_eq!(model.fold_in(&[]), [0.0; FACTORS]);

    // The same vectors in pgvector, by inner product.
    let near: Vec<i64> = sqlx::query_scalar(
        "SELECT movie_id FROM movie_vectors WHERE version = 'als_a' ORDER BY vector <#> $1::real[]::vector, movie_id",
    )
    .bind(&vector)
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut expected: Vec<(f32, i64)> =
        model.scores(&vector).into_iter().zip(model.movies.iter().map(|m| m.get())).collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    assert_eq!(near, expected.into_iter().map(|pair| pair.1).collect::<Vec<_>>());
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_file_with_a_flipped_bit_is_refused_whichever_it_is(pool: PgPool) {
    let (directory, objects) = store();
    register(&pool, &objects, "als_a", &parts(1).0).await;
    for name in ["items.npy", "item_factors.npy", "item_counts.npy", "model.json"] {
        let path = directory.path().join("models/als_a").join(name);
        let content = std::fs::read(&path).unwrap();
        let mut damaged = content.clone();
        *damaged.last_mut().unwrap() ^= 0x10;
        std::fs::write(&path, damaged).unwrap();
        let error = ServingModel::load(&objects, &pool, "als_a").await.unwrap_err();
        assert!(matches!(&error, StorageError::Corrupt(text) if text.contains(name)), "{error}");
        std::fs::write(&path, content).unwrap();
    }
    ServingModel::load(&objects, &pool, "als_a").await.unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_promotion_and_a_rollback_reach_every_process_within_a_second(pool: PgPool) {
    let (directory, objects) = store();
    register(&pool, &objects, "als_a", &parts(1).0).await;
    register(&pool, &objects, "als_b", &parts(2).0).await;
    let (feed, active) = (Arc::new(ChangeFeed::default()), Arc::new(ActiveModel::default()));
    let following = tokio::spawn(active.clone().follow(objects, pool.clone(), feed.subscribe(), || {}));
    let (listened, listening) = (feed.clone(), pool.clone());
    let listening = tokio::spawn(async move { listened.follow(&listening).await });
    let current = || active.current().map(|model| model.version.clone());
    let until = async |version: &str| {
        let asked = Instant::now();
        while current().as_deref() != Some(version) {
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?} after a second", current());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(current(), None, "no model was promoted yet");
    for version in ["als_a", "als_b", "als_a"] {
        activate(&pool, version).await;
        until(version).await;
    }
    assert_eq!(models::before_active(&pool).await.unwrap().as_deref(), Some("als_b"));

    // A damaged model does not replace the one that is served.
    std::fs::write(directory.path().join("models/als_b/items.npy"), "damaged").unwrap();
    activate(&pool, "als_b").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(current().as_deref(), Some("als_a"));
    following.abort();
    listening.abort();
}
