//! What comes first: titles, then people, then words, then likeness, in every order and on every engine within reach.

use domain::PersonId;
use domain::ingest::{Record, Source};
use domain::movies::{Movie, Person};
use domain::search::{Engine, SearchQuery, SortBy};

use sqlx::PgPool;
use storage::postgres::catalogue::search;
use storage::search_index::SearchIndex;
use test_support::fixture;

use crate::search_index::{ask, drop_index, filled, query, titles};
use crate::support::write;

/// The n-th movie of the world; later ones are more popular, so that popularity never helps the right one.
fn movie(n: i64, title: &str, year: i32, director: (i64, &str)) -> Movie {
    let mut movie = fixture::movie(n, title, (year, 6, 1), &["Drama"], n as f64, 7.0);
    movie.vote_count = 10 * n;
    movie.credits.directors = vec![Person { id: PersonId::new(director.0).unwrap(), name: director.1.into() }];
    movie
}

async fn world(pool: &PgPool) -> Vec<(Engine, SearchIndex)> {
    let (tarantino, scorsese, kubrick, other) =
        ((1, "Quentin Tarantino"), (2, "Martin Scorsese"), (3, "Stanley Kubrick"), (9, "Somebody Else"));
    let mut movies = vec![
        movie(1, "Pulp Fiction", 1994, tarantino),
        movie(2, "Taxi Driver", 1976, scorsese),
        movie(3, "Alien", 1979, other),
        movie(4, "The Shining", 1980, kubrick),
        movie(5, "The Godfather", 1972, other),
        movie(6, "The Godfather Part III", 1990, other),
        movie(7, "Terminator 2: Judgment Day", 1991, other),
        movie(8, "M*A*S*H", 1970, other),
        movie(9, "E.T. the Extra-Terrestrial", 1982, other),
        movie(10, "The Lord of the Rings: The Two Towers", 2002, other),
        movie(11, "Seven Samurai", 1954, other),
        movie(12, "Amélie", 2001, other),
        movie(13, "Harry Potter and the Chamber", 2002, other),
        movie(14, "Harry Potter and the Prisoner", 2004, other),
        movie(15, "1941", 1979, other),
        movie(20, "Alien: Resurrection", 1997, other),
        movie(21, "Quarantine", 2008, other),
        movie(22, "The Score", 2001, other),
        movie(23, "Eternal Sunshine", 2004, other),
        movie(24, "Signs", 2002, other),
        movie(25, "The Terminal", 2004, other),
    ];
    movies[10].original_title = Some("七人の侍".into());
    movies[19].overview = Some("An alien comes to a farm in 1994, as in a film of Tarantino's.".into());
    write(pool, Source::Demo, movies.into_iter().map(|movie| Record::Movie(Box::new(movie))).collect()).await;
    filled(test_support::service_pool(pool).await).await
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_movie_that_is_meant_comes_first(pool: PgPool) {
    let engines = world(&pool).await;
    for engine in &engines {
        for (text, title) in [
            ("alien", "Alien"),
            ("tarantino", "Pulp Fiction"),
            ("scorsese", "Taxi Driver"),
            ("kubrik", "The Shining"),
            ("1994", "Pulp Fiction"),
            ("1941", "1941"),
            ("et", "E.T. the Extra-Terrestrial"),
            ("mash", "M*A*S*H"),
            ("terminator two", "Terminator 2: Judgment Day"),
            ("T2", "Terminator 2: Judgment Day"),
            ("godfather 3", "The Godfather Part III"),
            ("godfather part three", "The Godfather Part III"),
            ("LOTR", "The Lord of the Rings: The Two Towers"),
            ("two towers", "The Lord of the Rings: The Two Towers"),
            ("七人の侍", "Seven Samurai"),
            ("7 samurai", "Seven Samurai"),
            ("amelie", "Amélie"),
            ("alein", "Alien"),
            ("godfather 1972", "The Godfather"),
        ] {
            let results = ask(engine, &query(text)).await;
            assert_eq!(titles(&results).first(), Some(&title), "{text:?} on {:?}: {:?}", engine.0, titles(&results));
        }
    }
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn series_without_numbers_are_counted_by_date(pool: PgPool) {
    let engines = world(&pool).await;
    let results = ask(&engines[0], &query("harry potter 2")).await;
    assert_eq!(titles(&results)[0], "Harry Potter and the Prisoner");
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn no_order_puts_words_or_likeness_above_titles_and_people(pool: PgPool) {
    let engines = world(&pool).await;
    // The plot of the newest and most popular movie names both.
    for sort_by in [SortBy::Relevance, SortBy::Popularity, SortBy::Rating, SortBy::ReleaseDate] {
        for (text, expected) in [
            ("alien", &["Alien", "Alien: Resurrection", "Signs"][..]),
            ("tarantino", &["Pulp Fiction", "Signs"]),
            ("1994", &["Pulp Fiction"]),
        ] {
            let results = ask(&engines[0], &SearchQuery { sort_by, ..query(text) }).await;
            let mut found = titles(&results);
            if text == "alien" && sort_by != SortBy::Relevance {
                // Titles that are the text and that begin with it are one group there.
                found[..2].sort_unstable();
            }
            assert_eq!(found, expected, "{text:?} by {sort_by:?}");
        }
    }
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn stop_words_alone_are_titles_or_nothing(pool: PgPool) {
    let engines = world(&pool).await;
    for text in ["the", "and", "of the"] {
        assert_eq!(ask(&engines[0], &query(text)).await.total, 0, "{text:?}");
    }
    write(&pool, Source::Demo, vec![Record::Movie(Box::new(fixture::movie(99, "It", (2017, 9, 6), &[], 1.0, 7.0)))])
        .await;
    assert_eq!(titles(&ask(&engines[0], &query("it")).await), ["It"]);
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn rows_of_an_older_version_are_rewritten_once(pool: PgPool) {
    let engines = world(&pool).await;
    sqlx::query("UPDATE movie_search SET keys_version = 0, document = '' WHERE movie_id < 11")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("DELETE FROM movie_search_keys WHERE movie_id < 11").execute(&pool).await.unwrap();
    assert_ne!(titles(&ask(&engines[0], &query("t2")).await).first(), Some(&"Terminator 2: Judgment Day"));
    assert_eq!(search::upgrade(&pool).await.unwrap(), 10);
    assert_eq!(titles(&ask(&engines[0], &query("t2")).await)[0], "Terminator 2: Judgment Day");
    assert_eq!(search::upgrade(&pool).await.unwrap(), 0);
    drop_index(engines).await;
}
