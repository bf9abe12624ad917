//! Who appeared together.

use domain::actor_collaboration::{Pair, Together};
use domain::ingest::{Record, Source};
use domain::movies::{CastMember, Credits, Person};
use domain::{PersonId, RunId};
use futures::TryStreamExt;
use sqlx::PgPool;
use storage::postgres::batch::actor_collaboration::{self, CastRow, CollaboratorRow};
use test_support::fixture;

use crate::support::{page, tombstone, write};

fn person(id: i64) -> PersonId {
    PersonId::new(id).unwrap()
}

fn pair(a: i64, b: i64, movies: i64, rated: i64, rating_sum: f64) -> (Pair, Together) {
    (Pair { a: person(a), b: person(b) }, Together { movies, rated, rating_sum })
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn casts_come_in_billing_order_of_shown_movies_and_no_longer_than_needed(pool: PgPool) {
    fixture::catalogue(&pool).await;
    for movie in fixture::movies().iter().map(|movie| movie.id.get()).filter(|id| !matches!(id, 238 | 603)) {
        tombstone(&pool, movie).await;
    }
    let member = |id: i64| CastMember {
        person: Person { id: person(id), name: format!("Person {id}") },
        character: None,
        position: 0,
    };
    let crowd = Credits { cast: (101..=120).rev().map(member).collect(), directors: vec![] };
    write(&pool, Source::Demo, vec![Record::Credits(fixture::movie_id(603), crowd)]).await;
    let casts: Vec<CastRow> = actor_collaboration::casts(&pool).try_collect().await.unwrap();
    let row = |cast: Vec<i64>, vote_average| CastRow {
        cast: cast.into_iter().map(person).collect(),
        vote_average,
        vote_count: 1_000,
    };
    assert_eq!(casts, [row(vec![1158], 8.7), row((111..=120).rev().collect(), 8.2)]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_parts_of_the_movies_say_adds_up_and_is_found_from_both_sides(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let (run, other) = (RunId::new(), RunId::new());
    // The fixture's people: 287 Brad Pitt, 1158 Al Pacino, 6384 Keanu Reeves.
    actor_collaboration::add(&pool, run, &[pair(287, 1158, 2, 1, 8.0), pair(287, 6384, 1, 0, 0.0)]).await.unwrap();
    actor_collaboration::add(&pool, run, &[pair(287, 1158, 1, 1, 6.0), pair(1158, 6384, 3, 1, 5.0)]).await.unwrap();
    actor_collaboration::add(&pool, other, &[pair(287, 1158, 9, 9, 9.0)]).await.unwrap();
    assert_eq!(actor_collaboration::count(&pool, run).await.unwrap(), 3);

    let row = |person_id, name: &str, movies, rated, avg_rating| CollaboratorRow {
        person_id,
        name: name.into(),
        movies,
        rated,
        avg_rating,
    };
    let pacino = actor_collaboration::of_person(&pool, run, person(1158), page(20, 0)).await.unwrap();
    let expected = [row(287, "Brad Pitt", 3, 2, Some(7.0)), row(6384, "Keanu Reeves", 3, 1, Some(5.0))];
    assert_eq!(pacino, (expected.to_vec(), 2), "as many movies: the better rated first");
    let reeves = actor_collaboration::of_person(&pool, run, person(6384), page(1, 1)).await.unwrap();
    assert_eq!(reeves, (vec![row(287, "Brad Pitt", 1, 0, None)], 2));
    let nobody = actor_collaboration::of_person(&pool, run, person(9), page(20, 0)).await.unwrap();
    assert_eq!(nobody, (vec![], 0));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_person_is_named_or_unknown(pool: PgPool) {
    fixture::catalogue(&pool).await;
    assert_eq!(actor_collaboration::name(&pool, person(287)).await.unwrap().as_deref(), Some("Brad Pitt"));
    assert_eq!(actor_collaboration::name(&pool, person(9)).await.unwrap(), None);
}
