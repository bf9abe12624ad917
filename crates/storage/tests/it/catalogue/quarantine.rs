//! Records that a source got wrong.

use domain::ingest::{Quarantined, Source};
use sqlx::PgPool;
use storage::postgres::catalogue::quarantine;

use crate::support;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_bad_record_is_kept_once_with_its_reason_and_counted_again_later(pool: PgPool) {
    let mut conn = pool.acquire().await.unwrap();
    let line = |n: u32, reason: &str| Quarantined::new(format!("movies.csv line {n}"), Some("id"), reason, "x,y");
    let nameless = Quarantined::new("movies.csv line 3", None, "too few columns", "1");
    quarantine::add(&mut conn, Source::Tmdb5000, &[]).await.unwrap();
    let first = [line(1, "no number"), line(1, "no number"), line(2, "no number"), nameless.clone()];
    quarantine::add(&mut conn, Source::Tmdb5000, &first).await.unwrap();
    quarantine::add(&mut conn, Source::Tmdb5000, &[line(1, "no number"), line(1, "too large")]).await.unwrap();
    quarantine::add(&mut conn, Source::Movielens, &[line(1, "no number")]).await.unwrap();

    assert_eq!(quarantine::count(&mut conn, Source::Tmdb5000).await.unwrap(), 4);
    assert_eq!(quarantine::count(&mut conn, Source::Movielens).await.unwrap(), 1);
    assert_eq!(quarantine::count(&mut conn, Source::Demo).await.unwrap(), 0);
    let expected = [
        (line(1, "no number"), 1), // movielens
        (line(1, "no number"), 2),
        (line(1, "too large"), 1),
        (line(2, "no number"), 1),
        (nameless, 1),
    ];
    assert_eq!(support::quarantine(&pool).await, expected);
}
