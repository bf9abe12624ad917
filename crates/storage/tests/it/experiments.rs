//! Served lists, feedback on them, and experiments.

use chrono::{DateTime, TimeDelta, Utc};
use domain::experiments::{Design, Variant, VariantSettings};
use sqlx::PgPool;
use storage::postgres::experiments::{self, NotStarted};
use storage::postgres::served_lists::{self, GroupBy, GroupFeedback, ServedList};
use uuid::Uuid;

async fn viewer(pool: &PgPool, name: &str) -> i64 {
    sqlx::query_scalar("INSERT INTO viewers (name) VALUES ($1) RETURNING viewer_id")
        .bind(name)
        .fetch_one(pool)
        .await
        .unwrap()
}

fn list(viewer_id: Option<i64>, variant: Option<&str>) -> ServedList {
    ServedList {
        list_id: Uuid::new_v4(),
        viewer_id,
        served_at: Utc::now(),
        source: "hybrid",
        version: Some("als_20260310_0200".into()),
        experiment: variant.map(|_| "e1".into()),
        variant: variant.map(str::to_owned),
        explored: vec![2],
        movies: vec![550, 603, 238],
    }
}

async fn event(pool: &PgPool, viewer: i64, list: Option<Uuid>, movie: i64, kind: &str, rating: Option<f32>) {
    sqlx::query(
        "INSERT INTO viewer_events (event_id, viewer_id, movie_id, event_type, rating, occurred_at, list_id)
         VALUES ($1, $2, $3, $4, $5, now(), $6)",
    )
    .bind(Uuid::new_v4())
    .bind(viewer)
    .bind(movie)
    .bind(kind)
    .bind(rating)
    .bind(list)
    .execute(pool)
    .await
    .unwrap();
}

fn yesterday() -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(1)
}

async fn feedback(pool: &PgPool, by: GroupBy) -> Vec<GroupFeedback> {
    served_lists::feedback(pool, yesterday(), by).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn feedback_counts_places_once_and_only_the_viewers_own_events(pool: PgPool) {
    let (anna, ben) = (viewer(&pool, "anna").await, viewer(&pool, "ben").await);
    let shown = list(Some(anna), None);
    served_lists::store(&pool, std::slice::from_ref(&shown)).await.unwrap();
    // Stored again after an answer that was lost.
    served_lists::store(&pool, std::slice::from_ref(&shown)).await.unwrap();
    let id = Some(shown.list_id);
    for kind in ["impression", "click", "click"] {
        event(&pool, anna, id, 550, kind, None).await;
    }
    event(&pool, anna, id, 603, "impression", None).await;
    event(&pool, anna, id, 238, "rating", Some(9.0)).await;
    event(&pool, anna, None, 129, "rating", Some(6.0)).await;
    // Neither another viewer's events nor movies that the list does not have.
    event(&pool, ben, id, 603, "click", None).await;
    event(&pool, anna, id, 129, "click", None).await;
    let by_source = feedback(&pool, GroupBy::Source).await;
    let expected = GroupFeedback {
        group: "hybrid".into(),
        lists: 1,
        places: 3,
        impressions: 3,
        clicks: 1,
        ratings: 1,
        rating_mean: Some(9.0),
        rating_uplift: Some(3.0),
    };
    assert_eq!(by_source, [expected]);
    let clicks: Vec<(String, i64)> =
        feedback(&pool, GroupBy::Position).await.into_iter().map(|row| (row.group, row.clicks)).collect();
    assert_eq!(clicks, [("001".into(), 1), ("002".into(), 0), ("003".into(), 0)]);
    let explored = feedback(&pool, GroupBy::Exploration).await;
    let places: Vec<(&str, i64)> = explored.iter().map(|row| (row.group.as_str(), row.places)).collect();
    assert_eq!(places, [("explored", 1), ("ranked", 2)]);
    assert_eq!(feedback(&pool, GroupBy::Variant).await[0].group, "none");
    assert_eq!(feedback(&pool, GroupBy::ModelVersion).await[0].group, "als_20260310_0200");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_viewer_who_was_forgotten_meanwhile_does_not_come_back(pool: PgPool) {
    let anna = viewer(&pool, "anna").await;
    let shown = list(Some(anna), None);
    sqlx::query("DELETE FROM viewers").execute(&pool).await.unwrap();
    served_lists::store(&pool, &[shown]).await.unwrap();
    let stored: Option<i64> = sqlx::query_scalar("SELECT viewer_id FROM served_lists").fetch_one(&pool).await.unwrap();
    assert_eq!(stored, None);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn old_lists_go_in_steps(pool: PgPool) {
    let old = |days| ServedList { served_at: Utc::now() - TimeDelta::days(days), ..list(None, None) };
    served_lists::store(&pool, &[old(100), old(95), old(91), old(1)]).await.unwrap();
    let before = Utc::now() - TimeDelta::days(90);
    assert_eq!(served_lists::expire(&pool, before, 2).await.unwrap(), 2);
    assert_eq!(served_lists::expire(&pool, before, 2).await.unwrap(), 1);
}

fn variants() -> Vec<Variant> {
    let settings = VariantSettings { batch_share: Some(0.5), ..VariantSettings::default() };
    vec![
        Variant { name: "control".into(), share: 1.0, settings: VariantSettings::default() },
        Variant { name: "new".into(), share: 1.0, settings },
    ]
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn one_experiment_runs_at_a_time_and_a_name_is_used_once(pool: PgPool) {
    let design = Design::default();
    let start = async |name: &str, variants: &[Variant]| {
        experiments::start(&pool, name, variants, &design).await.unwrap().map(|started| started.name)
    };
    assert_eq!(experiments::running(&pool).await.unwrap(), None);
    assert_eq!(start("e1", &variants()).await, Ok("e1".into()));
    assert_eq!(start("e1", &variants()).await, Ok("e1".into()), "the same again");
    assert_eq!(start("e2", &variants()).await, Err(NotStarted::AnotherRuns));
    let mut other = variants();
    other[1].share = 2.0;
    assert_eq!(start("e1", &other).await, Err(NotStarted::NameUsed));
    assert_eq!(experiments::running(&pool).await.unwrap().map(|e| e.variants), Some(variants()));
    let ended = experiments::end(&pool, "e1").await.unwrap().unwrap().ended_at;
    assert!(ended.is_some());
    assert_eq!(experiments::end(&pool, "e1").await.unwrap().unwrap().ended_at, ended);
    assert_eq!(experiments::end(&pool, "none").await.unwrap(), None);
    assert_eq!(start("e1", &variants()).await, Err(NotStarted::NameUsed));
    assert_eq!(start("e2", &variants()).await, Ok("e2".into()));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_experiments_feedback_is_summed_over_viewers(pool: PgPool) {
    let (anna, ben) = (viewer(&pool, "anna").await, viewer(&pool, "ben").await);
    for (viewer, clicks) in [(anna, 2), (ben, 0)] {
        let shown = list(Some(viewer), Some("new"));
        served_lists::store(&pool, std::slice::from_ref(&shown)).await.unwrap();
        for (at, movie) in shown.movies.iter().enumerate() {
            event(&pool, viewer, Some(shown.list_id), *movie, "impression", None).await;
            if at < clicks {
                event(&pool, viewer, Some(shown.list_id), *movie, "click", None).await;
            }
        }
    }
    let feedback = experiments::feedback(&pool, "e1").await.unwrap();
    let new = feedback["new"];
    assert_eq!((new.viewers, new.impressions, new.clicks), (2, 6.0, 2.0));
    assert_eq!((new.impressions_squared, new.clicks_squared, new.product), (18.0, 4.0, 6.0));
    assert_eq!(feedback.len(), 1);
}
