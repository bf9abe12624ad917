//! History that viewers bring along, through the writers of all facts.

use chrono::{DateTime, Utc};
use domain::history::{Did, Entry, History, NamedMovie};
use domain::viewers::ViewerName;
use sqlx::PgPool;
use storage::postgres::history::import;
use test_support::fixture;

fn entry(row: usize, movie: NamedMovie, did: Did) -> Entry {
    // Years before the events door's limit.
    let at: DateTime<Utc> = "2015-05-01T00:00:00Z".parse().unwrap();
    Entry { place: format!("diary.csv:{row}"), movie, did, at }
}

fn titled(title: &str, year: i32) -> NamedMovie {
    NamedMovie::Title { title: title.to_owned(), year: Some(year) }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_history_is_matched_applied_once_and_what_does_not_match_is_reported(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let viewer: ViewerName = "user_123".parse().unwrap();
    let entries = vec![
        entry(2, titled("the matrix", 1999), Did::Watched),
        // One year apart, as premieres and releases are.
        entry(3, titled("The Matrix", 2000), Did::Rated(9.0)),
        entry(4, NamedMovie::Ref("550".parse().unwrap()), Did::Liked),
        entry(5, titled("The Matrx", 1999), Did::Watched),
        entry(6, titled("The Matrix", 1950), Did::Watched),
        entry(7, NamedMovie::Ref("tt9999999".parse().unwrap()), Did::Watched),
    ];
    let history = || History { entries: entries.clone(), unreadable: Vec::new() };
    let report = import(&pool, &viewer, history()).await.unwrap();
    assert_eq!((report.matched, report.added, report.unmatched), (3, 3, 3), "{report:?}");
    let misspelt = report.unmatched_movies.iter().find(|movie| movie.movie == "The Matrx (1999)").unwrap();
    assert!(misspelt.candidates.iter().any(|candidate| candidate.movie_id == 603), "{misspelt:?}");
    let again = import(&pool, &viewer, history()).await.unwrap();
    assert_eq!((again.matched, again.added), (3, 0), "imported twice, it counts once");
    let stored: Vec<(i64, String, Option<f32>)> = sqlx::query_as(
        "SELECT movie_id, event_type, rating FROM viewer_events JOIN viewers USING (viewer_id)
         WHERE name = 'user_123' ORDER BY movie_id, event_type",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let event = |movie, kind: &str, rating| (movie, kind.to_owned(), rating);
    assert_eq!(stored, [event(550, "like", None), event(603, "rating", Some(9.0)), event(603, "watch", None)]);
    let stale: i64 = sqlx::query_scalar("SELECT count(*) FROM stale_profiles").fetch_one(&pool).await.unwrap();
    assert_eq!(stale, 1);
}
