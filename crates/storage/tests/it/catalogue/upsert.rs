//! Movies, their people, their search rows.

use domain::PersonId;
use domain::ingest::{Quarantined, Record, Source};
use domain::movies::{CastMember, Credits, Movie, Person};
use serde_json::{Value, json};
use sqlx::PgPool;
use storage::postgres::catalogue::IngestCounts;
use test_support::fixture;

use crate::support::{quarantine, write};

/// A movie with a value in every column.
fn full() -> Movie {
    let mut movie = fixture::movies().remove(0);
    movie.original_title = Some("Il padrino".into());
    movie.tagline = Some("An offer you can't refuse.".into());
    movie.status = Some("Released".into());
    movie.imdb_id = Some("tt0068646".into());
    movie.poster_path = Some("/poster.jpg".into());
    movie
}

fn person(id: i64, name: &str) -> Person {
    Person { id: PersonId::new(id).unwrap(), name: name.into() }
}

fn cast(id: i64, name: &str, character: Option<&str>, position: i32) -> CastMember {
    CastMember { person: person(id, name), character: character.map(str::to_owned), position }
}

/// A row without the columns that differ from run to run.
async fn row(pool: &PgPool, movie: i64) -> Value {
    sqlx::query_scalar("SELECT to_jsonb(m) - 'created_at' - 'updated_at' FROM movies m WHERE movie_id = $1")
        .bind(movie)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn credits(pool: &PgPool) -> Vec<(String, i32, i64, String, Option<String>)> {
    sqlx::query_as(
        "SELECT role, position, person_id, name, character FROM movie_credits JOIN people USING (person_id)
         ORDER BY movie_id, role, position",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_is_stored_whole(pool: PgPool) {
    let counts = write(&pool, Source::Tmdb, vec![Record::Movie(Box::new(full()))]).await;
    assert_eq!(counts, IngestCounts { movies_added: 1, ..IngestCounts::default() });
    let expected = json!({
        "movie_id": 238, "title": "The Godfather", "original_title": "Il padrino",
        "overview": "What happens in The Godfather.", "tagline": "An offer you can't refuse.",
        "release_date": "1972-03-14", "runtime": 120, "budget": 6_000_000, "revenue": 245_066_411,
        "original_language": "en", "status": "Released", "imdb_id": "tt0068646", "poster_path": "/poster.jpg",
        "popularity": 90, "vote_average": 8.7, "vote_count": 1_000, "genres": ["Drama", "Crime"],
        "keywords": ["mafia"], "source": "tmdb", "missing_count": 0, "tombstoned_at": null,
        "observed_at": null,
        "credits": {
            "directors": [{"person_id": 1776, "name": "Francis Ford Coppola"}],
            "cast": [{"person_id": 1158, "name": "Al Pacino", "character": "Lead"}],
        },
    });
    assert_eq!(row(&pool, 238).await, expected);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn only_what_changed_is_written(pool: PgPool) {
    write(&pool, Source::Tmdb, vec![Record::Movie(Box::new(full()))]).await;
    let stamp = async || -> (chrono::DateTime<chrono::Utc>, String) {
        sqlx::query_as("SELECT updated_at, xmin::text FROM movies").fetch_one(&pool).await.unwrap()
    };
    let first = stamp().await;
    let same = write(&pool, Source::Tmdb, vec![Record::Movie(Box::new(full()))]).await;
    assert_eq!(same, IngestCounts { movies_unchanged: 1, ..IngestCounts::default() });
    assert_eq!(stamp().await, first, "the row was not touched");

    let changes: [fn(&mut Movie); 4] = [
        |m| m.popularity = 91.0,
        |m| m.genres = vec!["Crime".into()],
        |m| m.budget = None,
        |m| m.keywords = vec!["family".into()],
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut movie = full();
        change(&mut movie);
        let counts = write(&pool, Source::Tmdb, vec![Record::Movie(Box::new(movie))]).await;
        assert_eq!(counts.movies_changed, 1, "change {n}");
    }
    let other = write(&pool, Source::Demo, vec![Record::Movie(Box::new(full()))]).await;
    assert_eq!(other.movies_changed, 1, "another source describes it now");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_without_keywords_keeps_those_it_has(pool: PgPool) {
    write(&pool, Source::MoviesDataset, vec![Record::Movie(Box::new(full()))]).await;
    let movie = Movie { keywords: vec![], ..full() };
    let counts = write(&pool, Source::MoviesDataset, vec![Record::Movie(Box::new(movie))]).await;
    assert_eq!(counts.movies_unchanged, 1);
    assert_eq!(row(&pool, 238).await["keywords"], json!(["mafia"]));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_stub_fills_a_gap_and_replaces_nothing(pool: PgPool) {
    write(&pool, Source::Tmdb, vec![Record::Movie(Box::new(full()))]).await;
    let stub = |id, title: &str| Record::Stub(Box::new(Movie::titled(fixture::movie_id(id), title)));
    let counts = write(&pool, Source::Movielens, vec![stub(238, "Godfather, The"), stub(7, "Sabrina")]).await;
    assert_eq!(counts, IngestCounts { movies_added: 1, movies_unchanged: 1, ..IngestCounts::default() });
    let kept = row(&pool, 238).await;
    assert_eq!((&kept["title"], &kept["source"]), (&json!("The Godfather"), &json!("tmdb")));
    let added = row(&pool, 7).await;
    assert_eq!((&added["title"], &added["source"]), (&json!("Sabrina"), &json!("movielens")));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn credits_are_replaced_as_a_whole_and_their_positions_counted_anew(pool: PgPool) {
    write(&pool, Source::Tmdb5000, vec![Record::Movie(Box::new(full()))]).await;
    let sent = Credits {
        // A source's positions may repeat and skip.
        cast: vec![
            cast(3084, "Marlon Brando", Some("Don Vito"), 0),
            cast(1158, "Alfredo Pacino", None, 7),
            cast(3084, "Marlon Brando", Some("Narrator"), 7),
        ],
        directors: vec![person(1776, "Francis Ford Coppola"), person(1, "Somebody Else")],
    };
    let counts = write(&pool, Source::Tmdb5000, vec![Record::Credits(fixture::movie_id(238), sent)]).await;
    assert_eq!(counts, IngestCounts::default());
    let credit = |role: &str, position, person, name: &str, character: Option<&str>| {
        (role.to_owned(), position, person, name.to_owned(), character.map(str::to_owned))
    };
    let expected = [
        credit("cast", 0, 3084, "Marlon Brando", Some("Don Vito")),
        credit("cast", 1, 1158, "Alfredo Pacino", None),
        credit("cast", 2, 3084, "Marlon Brando", Some("Narrator")),
        credit("director", 0, 1776, "Francis Ford Coppola", None),
        credit("director", 1, 1, "Somebody Else", None),
    ];
    assert_eq!(credits(&pool).await, expected, "a person's newest name counts");
    assert_eq!(
        row(&pool, 238).await["credits"]["cast"][1],
        json!({"person_id": 1158, "name": "Alfredo Pacino", "character": null})
    );
    let document: String = sqlx::query_scalar("SELECT document::text FROM movie_search WHERE movie_id = 238")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(document.contains("brando"), "people can be searched for: {document}");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn credits_and_keywords_of_unknown_movies_are_quarantined_and_stop_nothing(pool: PgPool) {
    let records = vec![
        Record::Movie(Box::new(full())),
        Record::Credits(fixture::movie_id(9), Credits { cast: vec![], directors: vec![person(5, "Nobody")] }),
        Record::Keywords(fixture::movie_id(9), vec!["lost".into()]),
        Record::Keywords(fixture::movie_id(238), vec!["family".into(), "honour".into()]),
    ];
    let counts = write(&pool, Source::MoviesDataset, records).await;
    assert_eq!(counts, IngestCounts { movies_added: 1, quarantined: 2, ..IngestCounts::default() });
    assert_eq!(row(&pool, 238).await["keywords"], json!(["family", "honour"]));
    let bad = |what: &str| (Quarantined::new(format!("{what} of movie 9"), Some("movie_id"), "unknown movie", "9"), 1);
    assert_eq!(quarantine(&pool).await, [bad("credits"), bad("keywords")]);
}
