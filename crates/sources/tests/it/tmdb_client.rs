//! The client against a TMDB that misbehaves.

use std::time::{Duration, Instant, SystemTime};

use domain::ingest::Record;
use serde_json::json;
use sources::SourceError;
use sources::tmdb::{TmdbClient, TmdbConfig};

use crate::tmdb_stub::{Mischief, STUB_KEY, StubMovie, TmdbStub};
use crate::wait::eventually;
use crate::{client, day, ids, settings};

async fn stub() -> TmdbStub {
    TmdbStub::start((1..=9).map(|id| StubMovie::new(id, &format!("Movie {id}"), "2020-05-01"))).await
}

fn titles(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Movie(movie) => Some(movie.title.as_str()),
            _ => None,
        })
        .collect()
}

fn quarantined(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Quarantined(aside) => Some(aside.location.as_str()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn one_request_brings_a_movie_with_people_keywords_and_reviews() {
    let stub = stub().await;
    let found = client(&stub).movies(&ids([3]), day("2026-01-02")).await.unwrap();
    let [Record::Movie(movie), Record::Metrics(numbers), Record::Review(review)] = found.records.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((movie.title.as_str(), movie.runtime, movie.revenue), ("Movie 3", Some(101), None));
    assert_eq!(movie.credits.cast[0].person.name, "Lead of Movie 3");
    assert_eq!(movie.credits.directors[0].name, "Director of Movie 3");
    assert_eq!(
        (movie.keywords.as_slice(), movie.genres.as_slice()),
        (&["stub".into()][..], &["Drama".into(), "Thriller".into()][..])
    );
    assert_eq!((numbers.day, numbers.vote_count, review.rating), (day("2026-01-02"), 321, Some(8.0)));
    assert_eq!(stub.requests(), ["movie/3?append_to_response=credits%2Ckeywords%2Creviews"]);
}

#[tokio::test]
async fn a_token_goes_into_the_header_and_a_key_into_the_query() {
    let stub = stub().await;
    stub.take_key("eyJh.eyJz.c2ln");
    let bearer = TmdbConfig { credential: "eyJh.eyJz.c2ln".parse().unwrap(), ..settings(&stub) };
    assert!(TmdbClient::new(bearer).unwrap().movies(&ids([1]), day("2026-01-02")).await.is_ok());
    assert!(matches!(client(&stub).movies(&ids([1]), day("2026-01-02")).await, Err(SourceError::KeyRefused)));
}

#[tokio::test]
async fn a_429_pauses_every_request_for_as_many_seconds_as_it_says() {
    let stub = stub().await;
    stub.misbehave("movie/1?", 1, Mischief::TooMany(Some("1".into())));
    let client = TmdbClient::new(TmdbConfig { concurrency: 1, ..settings(&stub) }).unwrap();
    let (other, started) = (client.clone(), Instant::now());
    let first = tokio::spawn(async move { client.movies(&ids([1]), day("2026-01-02")).await.map(|_| ()) });
    eventually("the stub has the request", Duration::from_secs(10), async || {
        (stub.count("movie/1?") > 0).then_some(())
    })
    .await;
    // Counted when it comes in; the answer that sets the pause follows, and leaves no trace to wait for.
    tokio::time::sleep(Duration::from_millis(100)).await;
    // A clone shares the pause, although nobody refused its own request.
    other.movies(&ids([2]), day("2026-01-02")).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(950), "{:?}", started.elapsed());
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_429_with_a_date_is_heeded_and_one_without_anything_waits_a_little() {
    let stub = stub().await;
    let until = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    stub.misbehave("movie/1?", 1, Mischief::TooMany(Some(until)));
    stub.misbehave("movie/2?", 1, Mischief::TooMany(None));
    stub.misbehave("movie/3?", 1, Mischief::TooMany(Some("next Tuesday".into())));
    let started = Instant::now();
    let found = client(&stub).movies(&ids([1]), day("2026-01-02")).await.unwrap();
    // Dates have whole seconds: of three, two are certain, and one may be lost to the server's cached `Date`.
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    assert_eq!(titles(&found.records), ["Movie 1"]);
    let started = Instant::now();
    assert!(client(&stub).movies(&ids([2, 3]), day("2026-01-02")).await.is_ok());
    assert!((20..2_500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_pause_is_bounded_and_so_is_their_number() {
    let stub = stub().await;
    stub.misbehave_always("movie/1?", Mischief::TooMany(Some("31536000".into())));
    let quick = TmdbConfig { pause_max: Duration::from_millis(2), ..settings(&stub) };
    let error = TmdbClient::new(quick).unwrap().movies(&ids([1]), day("2026-01-02")).await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable { .. }) && !error.is_permanent(), "{error}");
    assert_eq!(stub.count("movie/1?"), 10);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let stub = stub().await;
    let passing = [
        Mischief::Status(500),
        Mischief::Status(503),
        Mischief::Code(503, 9),
        Mischief::Code(200, 11),
        Mischief::Code(504, 24),
        Mischief::Html,
        Mischief::Truncated,
        Mischief::Broken,
        Mischief::Body("[]".into()),
    ];
    for (id, mischief) in (1..).zip(passing) {
        stub.misbehave(&format!("movie/{id}?"), 2, mischief);
    }
    let found = client(&stub).movies(&ids(1..=9), day("2026-01-02")).await.unwrap();
    assert_eq!(titles(&found.records).len(), 9, "{found:?}");
    assert_eq!(stub.count("movie/"), 27);
}

#[tokio::test]
async fn a_hanging_server_is_given_up_and_tried_again() {
    let stub = stub().await;
    stub.misbehave("movie/1?", 1, Mischief::Hang(Duration::from_secs(30)));
    let hasty = TmdbConfig { timeout: Duration::from_millis(200), ..settings(&stub) };
    let found = TmdbClient::new(hasty).unwrap().movies(&ids([1]), day("2026-01-02")).await.unwrap();
    assert_eq!(titles(&found.records), ["Movie 1"]);
}

#[tokio::test]
async fn a_movie_that_cannot_be_delivered_is_quarantined_and_stops_nothing() {
    let stub = stub().await;
    stub.misbehave_always("movie/1?", Mischief::Html);
    stub.misbehave_always("movie/2?", Mischief::Truncated);
    stub.misbehave_always("movie/3?", Mischief::Status(500));
    stub.put(StubMovie::new(4, "", "").with("original_title", json!(null)));
    stub.put(StubMovie::new(5, "Another's", "").with("id", json!(6)));
    stub.put(
        StubMovie::new(6, "Odd", "")
            .with("popularity", json!("0.89"))
            .with("credits", json!(7))
            .with("runtime", json!({})),
    );
    let found = client(&stub).movies(&ids(1..=7), day("2026-01-02")).await.unwrap();
    assert_eq!(titles(&found.records), ["Odd", "Movie 7"]);
    assert_eq!(quarantined(&found.records), ["movie/1", "movie/2", "movie/3", "movie/4", "movie/5"]);
    assert_eq!(stub.count("movie/1?"), 5);
}

#[tokio::test]
async fn one_poisoned_movie_alone_in_its_page_does_not_block_the_ingest() {
    let stub = stub().await;
    stub.misbehave_always("movie/1?", Mischief::Status(500));
    let found = client(&stub).movies(&ids([1]), day("2026-01-02")).await.unwrap();
    assert_eq!(quarantined(&found.records), ["movie/1"]);
    assert_eq!(stub.count("configuration"), 1);
}

#[tokio::test]
async fn when_tmdb_is_down_no_movie_is_blamed() {
    let stub = stub().await;
    stub.misbehave_always("", Mischief::Status(502));
    let error = client(&stub).movies(&ids(1..=3), day("2026-01-02")).await.unwrap_err();
    assert!(matches!(&error, SourceError::Unavailable { what, .. } if what == "configuration"), "{error}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn a_404_and_an_adult_movie_are_missing_but_a_proxys_404_is_not() {
    let stub = stub().await;
    stub.remove(1);
    stub.put(StubMovie::new(2, "Adult", "2020-01-01").with("adult", json!(true)));
    stub.misbehave_always("movie/3?", Mischief::Status(404));
    let found = client(&stub).movies(&ids([1, 2, 3, 4]), day("2026-01-02")).await.unwrap();
    assert_eq!(found.missing, ids([1, 2]));
    assert_eq!(quarantined(&found.records), ["movie/3"]);
    assert_eq!(stub.count("movie/1?"), 1);
}

#[tokio::test]
async fn a_refused_key_stops_at_once_and_names_the_setting() {
    let stub = stub().await;
    for mischief in [Mischief::Code(401, 7), Mischief::Code(401, 10), Mischief::Code(200, 7), Mischief::Status(401)] {
        stub.behave();
        stub.misbehave_always("", mischief);
        let error = client(&stub).movies(&ids(1..=9), day("2026-01-02")).await.unwrap_err();
        assert!(error.is_permanent() && error.to_string().contains("TMDB_API_KEY"), "{error}");
    }
    assert!(stub.requests().len() <= 4 * 9, "a refused key is not tried again");
}

#[tokio::test]
async fn no_error_shows_the_key() {
    let stub = stub().await;
    stub.misbehave_always("configuration", Mischief::Broken);
    let mut errors = vec![client(&stub).check().await.unwrap_err()];
    let nobody = TmdbConfig { base_url: "http://127.0.0.1:9/3".parse().unwrap(), ..settings(&stub) };
    errors.push(TmdbClient::new(nobody).unwrap().check().await.unwrap_err());
    for error in errors {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(STUB_KEY) && !shown.contains("api_key"), "{shown}");
    }
}

#[tokio::test]
async fn requests_keep_to_the_rate() {
    let stub = stub().await;
    let slow = TmdbConfig { requests_per_second: 50, ..settings(&stub) };
    let started = Instant::now();
    TmdbClient::new(slow).unwrap().movies(&ids((1..=9).cycle().take(30)), day("2026-01-02")).await.unwrap();
    // 30 requests, the first five at once: at least 25 fiftieths of a second.
    assert!(started.elapsed() >= Duration::from_millis(480), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_export_of_ids_is_asked_for_without_the_key_and_days_back() {
    let stub = TmdbStub::start([3, 1].map(|id| StubMovie::new(id, "Movie", ""))).await;
    stub.misbehave("movie_ids_01_02_2026", 1, Mischief::Status(403));
    assert_eq!(client(&stub).exported_ids(day("2026-01-02")).await.unwrap(), ids([1, 3]));
    assert_eq!(stub.requests(), ["exports/movie_ids_01_02_2026.json.gz?", "exports/movie_ids_01_01_2026.json.gz?"]);
    stub.misbehave_always("movie_ids", Mischief::Status(404));
    let error = client(&stub).exported_ids(day("2026-01-02")).await.unwrap_err();
    assert!(!error.is_permanent(), "{error}");
}
