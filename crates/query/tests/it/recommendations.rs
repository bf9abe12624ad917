//! Lists for viewers over a small world with a really trained model: two genres, and viewers who like one of them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use domain::MovieId;
use domain::experiments::{Variant, VariantSettings};
use domain::recommendations::GroupRule;
use query::Reader;
use query::experiment::Assignment;
use query::list_log::ListLog;
use query::model::{ModelParts, ServingModel};
use query::recommendations::{Group, ListSource, Recommendations, RecommendationsView, Session, Wishes};
use recommender::als::{self, Parameters};
use recommender::interactions::Interactions;
use sqlx::{AssertSqlSafe, PgPool};
use storage::postgres::recommendations::candidates::{self, Filter};
use storage::postgres::recommendations::viewer;
use uuid::Uuid;

use crate::reader;

/// A row of `served_lists`: list, viewer, source, variant, movies.
type LoggedList = (Uuid, Option<i64>, String, Option<String>, Vec<i64>);

const VERSION: &str = "als_20260310_0500";
const FACTORS: usize = 16;
const MOVIES: i64 = 600;

/// Movies 1 to [`MOVIES`]: odd ones are westerns, even ones comedies.
async fn world(pool: &PgPool) -> (Arc<Reader>, Arc<ServingModel>) {
    sqlx::query(
        "INSERT INTO movies (movie_id, title, source, genres, popularity, vote_average, vote_count, runtime,
                             original_language, release_date)
         SELECT n, 'Movie ' || n, 'demo', ARRAY[CASE n % 2 WHEN 1 THEN 'Western' ELSE 'Comedy' END], 1000 - n,
                (n % 100) / 10.0, 100, 60 + n % 120, CASE n % 3 WHEN 0 THEN 'fr' ELSE 'en' END,
                make_date(1960 + (n % 60)::int, 6, 1)
         FROM generate_series(1, $1) AS n",
    )
    .bind(MOVIES)
    .execute(pool)
    .await
    .unwrap();
    // Viewer v likes about a quarter of the movies of the own parity, by a hash: movies with the same viewers would have
    // the same vector, and which of them is among the best hundred would be chance.
    let likes = (0..200u32).flat_map(|viewer| {
        let hash = move |item: u32| {
            (item.wrapping_mul(2_654_435_761) ^ viewer.wrapping_mul(40_503)).wrapping_mul(2_246_822_519) >> 24
        };
        (0..MOVIES as u32)
            .filter(move |item| item % 2 == viewer % 2 && hash(*item) < 64)
            .map(move |item| (viewer, item))
    });
    let interactions = Interactions::likes(likes, 200, MOVIES as usize);
    let parameters = Parameters { factors: FACTORS, iterations: 8, ..Parameters::default() };
    let trained = als::train(&interactions, &parameters, &()).unwrap();
    let parts = ModelParts {
        movies: (1..=MOVIES).map(|id| MovieId::new(id).unwrap()).collect(),
        factors: trained.items,
        counts: vec![(1.0, 1); MOVIES as usize],
        parameters,
    };
    let model = Arc::new(ServingModel::new(VERSION.into(), parts));
    let statement = format!("CREATE TABLE movie_vectors_test PARTITION OF movie_vectors FOR VALUES IN ('{VERSION}')");
    sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
    for id in 1..=MOVIES {
        sqlx::query("INSERT INTO movie_vectors (version, movie_id, vector) VALUES ($1, $2, $3::real[]::vector)")
            .bind(VERSION)
            .bind(id)
            .bind(model.factors.row(id as usize - 1))
            .execute(pool)
            .await
            .unwrap();
    }
    let statement =
        format!("CREATE INDEX ON movie_vectors_test USING hnsw ((vector::vector({FACTORS})) vector_ip_ops)");
    sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
    sqlx::query("ANALYZE").execute(pool).await.unwrap();
    (reader(pool).await, model)
}

async fn viewer_who(pool: &PgPool, name: &str, kind: &str, movies: &[i64]) -> i64 {
    let viewer: i64 = sqlx::query_scalar(
        "INSERT INTO viewers (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING viewer_id",
    )
    .bind(name)
    .fetch_one(pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO viewer_events (event_id, viewer_id, movie_id, event_type, occurred_at)
         SELECT gen_random_uuid(), $1, id, $2, now() FROM unnest($3::bigint[]) AS id",
    )
    .bind(viewer)
    .bind(kind)
    .bind(movies)
    .execute(pool)
    .await
    .unwrap();
    viewer
}

/// A published batch run with one viewer's list.
async fn batch_list(pool: &PgPool, viewer: i64, movies: &[i64]) {
    let run = domain::RunId::new();
    let statement = format!("CREATE TABLE batch_test PARTITION OF batch_recommendations FOR VALUES IN ('{run}')");
    sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
    sqlx::query("INSERT INTO artifact_runs (run_id, artifact, job_id, as_of, status) VALUES ($1, 'batch_recommendations', $1, now()::date, 'published')")
        .bind(run.0)
        .execute(pool)
        .await
        .unwrap();
    sqlx::query("INSERT INTO artifact_heads (artifact, run_id) VALUES ('batch_recommendations', $1)")
        .bind(run.0)
        .execute(pool)
        .await
        .unwrap();
    let scores: Vec<f32> = (0..movies.len()).map(|place| 1.0 - place as f32 / 100.0).collect();
    sqlx::query("INSERT INTO batch_recommendations VALUES ($1, $2, $3, $4)")
        .bind(run.0)
        .bind(viewer)
        .bind(movies)
        .bind(scores)
        .execute(pool)
        .await
        .unwrap();
}

fn asks(name: &str, wishes: Wishes) -> Recommendations {
    Recommendations { user_id: name.parse().unwrap(), wishes, assignment: None, explain: false }
}

fn wishes(limit: u16) -> Wishes {
    Wishes { limit: limit.to_string().try_into().unwrap(), ..Wishes::default() }
}

fn ids(view: &RecommendationsView) -> Vec<i64> {
    view.recommendations.iter().map(|movie| movie.movie_id).collect()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_list_follows_what_the_viewer_just_did_and_shows_nothing_seen_or_hidden(pool: PgPool) {
    let (reader, model) = world(&pool).await;
    let new = asks("user_123", wishes(20)).read_with(&reader, Some(model.clone())).await.unwrap();
    assert_eq!((new.source, new.recommendations.len()), (ListSource::Popular, 20));
    assert_eq!(new.recommendations.iter().filter(|movie| movie.explored).count(), 2, "a tenth explores");

    viewer_who(&pool, "user_123", "like", &[1, 3, 5, 7]).await;
    viewer::hide(&reader.pool, &"user_123".parse().unwrap(), MovieId::new(9).unwrap()).await.unwrap();
    sqlx::query("UPDATE movies SET tombstoned_at = now() WHERE movie_id = 11").execute(&pool).await.unwrap();
    let start = Instant::now();
    let westerns = Recommendations { explain: true, ..asks("user_123", wishes(100)) };
    let view = westerns.read_with(&reader, Some(model.clone())).await.unwrap();
    println!("uncached, explained: {:?}", start.elapsed());
    assert_eq!((view.source, view.recommendations.len()), (ListSource::Realtime, 100));
    for never in [1, 3, 5, 7, 9, 11] {
        assert!(!ids(&view).contains(&never), "{never}");
    }
    let odd = |view: &RecommendationsView| ids(view).iter().take(50).filter(|id| *id % 2 == 1).count();
    assert!(odd(&view) >= 48, "{:?}", ids(&view));
    let first = view.recommendations[0].explanation.as_ref().unwrap();
    assert_eq!(first.layer, "realtime");
    assert!(first.because.iter().all(|reason| [1, 3, 5, 7].contains(&reason.movie_id)) && !first.because.is_empty());

    viewer_who(&pool, "user_123", "dislike", &[1, 3, 5, 7]).await;
    viewer_who(&pool, "user_123", "like", &(2..60).step_by(2).collect::<Vec<_>>()).await;
    let moved = asks("user_123", wishes(100)).read_with(&reader, Some(model)).await.unwrap();
    assert!(odd(&moved) <= 10, "{:?}", ids(&moved));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn both_layers_are_blended_and_the_batch_alone_answers_without_a_model(pool: PgPool) {
    let (reader, model) = world(&pool).await;
    let viewer = viewer_who(&pool, "7", "like", &[1, 3, 5]).await;
    batch_list(&pool, viewer, &[2, 4, 1, 21]).await;
    let hybrid = asks("7", wishes(10)).read_with(&reader, Some(model)).await.unwrap();
    assert_eq!((hybrid.source, hybrid.recommendations.len()), (ListSource::Hybrid, 10));
    assert_eq!(ids(&hybrid)[0], 2, "0.7 of the batch layer outweighs 0.3");
    assert!(!ids(&hybrid).contains(&1), "seen since the batch ran");
    let batch = asks("7", wishes(10)).read_with(&reader, None).await.unwrap();
    assert_eq!((batch.source, batch.model_version.clone()), (ListSource::Batch, None));
    assert_eq!(ids(&batch)[..3], [2, 4, 21]);
    assert_eq!(batch.recommendations.len(), 10, "popular movies fill it up");
    assert!(batch.recommendations.is_sorted_by(|a, b| a.score >= b.score));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_list_has_as_many_movies_as_fit_whatever_the_filters(pool: PgPool) {
    let (reader, model) = world(&pool).await;
    viewer_who(&pool, "user_123", "like", &[1, 3, 5]).await;
    for (name, wishes, sql) in [
        ("genre", Wishes { genre: Some("Comedy".into()), ..wishes(100) }, "genres @> '{Comedy}'"),
        (
            "years",
            Wishes { year_from: Some(1970), year_to: Some(1971), ..wishes(100) },
            "extract(year FROM release_date) IN (1970, 1971)",
        ),
        ("rating", Wishes { min_rating: Some(9.5), ..wishes(100) }, "vote_average >= 9.5"),
        ("runtime", Wishes { max_runtime: Some(65), ..wishes(100) }, "runtime <= 65"),
        ("language", Wishes { language: Some("fr".into()), ..wishes(100) }, "original_language = 'fr'"),
        ("exclude", Wishes { exclude: (20..=MOVIES).collect(), ..wishes(100) }, "movie_id < 20"),
        ("diversity and novelty", Wishes { diversity: 0.5, novelty: 0.5, ..wishes(100) }, "true"),
    ] {
        let fits: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT movie_id FROM movies WHERE {sql} AND movie_id NOT IN (1, 3, 5)"
        )))
        .fetch_all(&pool)
        .await
        .unwrap();
        let view = asks("user_123", wishes).read_with(&reader, Some(model.clone())).await.unwrap();
        let found: HashSet<i64> = ids(&view).into_iter().collect();
        assert_eq!(found.len(), fits.len().min(100), "{name}");
        assert!(found.iter().all(|id| fits.contains(id)), "{name}");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn candidates_are_those_of_the_exact_search(pool: PgPool) {
    let (reader, model) = world(&pool).await;
    let filters = [
        Filter::default(),
        Filter { genre: Some("Comedy".into()), ..Filter::default() },
        Filter { year_from: Some(1990), min_rating: Some(3.0), ..Filter::default() },
        Filter {
            max_runtime: Some(100),
            language: Some("en".into()),
            excluded: (1..200).collect(),
            ..Filter::default()
        },
    ];
    for filter in &filters {
        let (mut common, mut all) = (0, 0);
        for row in (0..MOVIES as usize).step_by(40) {
            let vector = model.factors.row(row);
            let near = candidates::nearest(&reader.pool, VERSION, vector, filter, 100).await.unwrap();
            let exact = candidates::exact(&reader.pool, VERSION, vector, filter, 100).await.unwrap();
            assert_eq!(near.len(), exact.len());
            let exact: HashSet<i64> = exact.iter().map(|found| found.0.movie_id).collect();
            common += near.iter().filter(|found| exact.contains(&found.0.movie_id)).count();
            all += exact.len();
        }
        assert!(common as f64 / all as f64 >= 0.98, "recall {common} of {all}, {filter:?}");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn anonymous_viewers_and_groups_get_lists(pool: PgPool) {
    let (reader, model) = world(&pool).await;
    let movies = [2, 4, 6].map(|id| (MovieId::new(id).unwrap(), 1.0)).into();
    let view = Session { movies, wishes: wishes(20) }.read_with(&reader, Some(model.clone())).await.unwrap();
    assert_eq!(view.source, ListSource::Realtime);
    assert!(view.recommendations.iter().filter(|movie| movie.movie_id % 2 == 0).count() >= 18);
    assert!(view.recommendations.iter().all(|movie| ![2, 4, 6].contains(&movie.movie_id)));

    viewer_who(&pool, "west", "like", &[1, 3, 5, 7]).await;
    viewer_who(&pool, "fun", "like", &[2, 4, 6, 8]).await;
    for rule in [GroupRule::LeastMisery, GroupRule::Mean] {
        let viewers = ["west", "fun", "nobody"].map(|name| name.parse().unwrap()).into();
        let group = Group { viewers, rule, wishes: wishes(20) }.read_with(&reader, Some(model.clone())).await.unwrap();
        assert_eq!((group.recommendations.len(), group.counted.len()), (20, 2));
        assert!(group.recommendations.iter().all(|movie| movie.movie_id > 8), "what anybody has seen");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_variant_changes_the_blend_and_the_served_list_says_so(pool: PgPool) {
    let (mut reader, model) = world(&pool).await;
    Arc::get_mut(&mut reader).unwrap().list_log = Arc::new(ListLog::new(1.0));
    let viewer = viewer_who(&pool, "user_123", "like", &[1, 3, 5, 7]).await;
    batch_list(&pool, viewer, &[20, 22, 24]).await;
    let settings = VariantSettings { batch_share: Some(1.0), ..VariantSettings::default() };
    let variant = Variant { name: "batch".into(), share: 1.0, settings };
    let assignment = Some(Assignment { experiment: "e1".into(), variant });
    let asked = Recommendations { assignment, ..asks("user_123", wishes(3)) };
    let batch_alone = asked.read_with(&reader, Some(model.clone())).await.unwrap();
    assert_eq!(ids(&batch_alone)[..2], [20, 22], "the batch layer alone decides");
    let usual = asks("user_123", wishes(3)).read_with(&reader, Some(model.clone())).await.unwrap();
    let explained = Recommendations { explain: true, ..asks("user_123", wishes(3)) };
    explained.read_with(&reader, Some(model)).await.unwrap();

    reader.list_log.finish(&pool).await;
    let logged: Vec<LoggedList> =
        sqlx::query_as("SELECT list_id, viewer_id, source, variant, movies FROM served_lists ORDER BY served_at")
            .fetch_all(&pool)
            .await
            .unwrap();
    let expected = |view: &RecommendationsView, variant: Option<&str>| {
        (view.list_id, Some(viewer), "hybrid".to_owned(), variant.map(str::to_owned), ids(view))
    };
    assert_eq!(logged, [expected(&batch_alone, Some("batch")), expected(&usual, None)]);
}
