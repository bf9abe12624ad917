//! Whole ingests against the stub: enumeration, resumption, both modes.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use domain::ingest::{IngestMode, Record};
use serde_json::json;
use sources::tmdb::{Chunk, Plan, TmdbCursor, TmdbIngest};

use crate::tmdb_stub::{Mischief, StubMovie, TmdbStub};
use crate::{client, day, ids};

const TODAY: &str = "2026-11-22";

fn movie(id: i64, released: NaiveDate) -> StubMovie {
    StubMovie::new(id, &format!("Movie {id}"), &released.to_string())
}

/// `count` movies, one released every ten days from 2000 on.
async fn stub(count: i64) -> TmdbStub {
    let start = day("2000-01-01");
    TmdbStub::start((1..=count).map(|id| movie(id, start + Days::new(id as u64 * 10)))).await
}

fn ingest(stub: &TmdbStub, mode: IngestMode, cursor: TmdbCursor, today: &str) -> TmdbIngest {
    TmdbIngest::new(client(stub), mode, cursor, day(today))
}

async fn run(mut ingest: TmdbIngest) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    while let Some(chunk) = ingest.next_chunk().await.unwrap() {
        // What is stored must be what goes on.
        let stored = serde_json::to_value(&chunk.cursor).unwrap();
        assert_eq!(TmdbCursor::load(Some(&stored), IngestMode::Auto).unwrap(), chunk.cursor);
        chunks.push(chunk);
    }
    chunks
}

fn movies(chunks: &[Chunk]) -> Vec<i64> {
    let id = |record: &Record| if let Record::Movie(movie) = record { Some(movie.id.get()) } else { None };
    chunks.iter().flat_map(|chunk| &chunk.records).filter_map(id).collect()
}

fn reasons(chunks: &[Chunk]) -> Vec<&str> {
    let records = chunks.iter().flat_map(|chunk| &chunk.records);
    records
        .filter_map(|record| if let Record::Quarantined(aside) = record { Some(aside.reason.as_str()) } else { None })
        .collect()
}

fn cursor_of(chunks: &[Chunk]) -> TmdbCursor {
    chunks.last().unwrap().cursor.clone()
}

fn synced(through: &str) -> TmdbCursor {
    TmdbCursor { synced_through: Some(day(through)), in_progress: None, unlisted_after: None }
}

/// After a full ingest: the movies without a release date are still to come.
fn listed(through: &str) -> TmdbCursor {
    TmdbCursor { unlisted_after: Some(0), ..synced(through) }
}

#[tokio::test]
async fn a_full_ingest_fetches_every_movie_once_and_is_then_in_sync() {
    let stub = stub(120).await;
    stub.page_sizes(2, 100);
    let chunks = run(ingest(&stub, IngestMode::Auto, TmdbCursor::default(), TODAY)).await;
    let found = movies(&chunks);
    assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (120, 120));
    assert_eq!(stub.count("movie/1?"), 1);
    // 60 pages are over the 50 of a window: it is split, and no page past its windows' ends is asked for.
    assert!(chunks.iter().map(|chunk| &chunk.phase).collect::<BTreeSet<_>>().len() > 1);
    assert_eq!(cursor_of(&chunks), listed(TODAY));
    let last = chunks.last().unwrap();
    assert_eq!((last.done, last.total), (120, Some(120)));
    assert!(reasons(&chunks).is_empty());
}

#[tokio::test]
async fn an_ingest_killed_after_any_batch_resumes_where_it_stopped() {
    let stub = stub(30).await;
    stub.page_sizes(7, 100);
    let mut cursor = TmdbCursor::default();
    let mut found = Vec::new();
    let mut lives = 0;
    loop {
        // Each life does one chunk, then dies before the next is committed.
        let mut life = ingest(&stub, IngestMode::Auto, cursor.clone(), TODAY);
        let Some(chunk) = life.next_chunk().await.unwrap() else { break };
        cursor = chunk.cursor.clone();
        found.extend(movies(&[chunk]));
        lives += 1;
        if cursor.in_progress.is_none() {
            break;
        }
    }
    assert_eq!((lives, found), (5, (1..=30).collect()));
    assert_eq!(cursor, listed(TODAY));
    assert_eq!(stub.count("append_to_response"), 30);
}

#[tokio::test]
async fn pages_that_drift_are_walked_once_more() {
    let stub = stub(30).await;
    stub.page_sizes(10, 100);
    stub.drift_once();
    let chunks = run(ingest(&stub, IngestMode::Full, TmdbCursor::default(), TODAY)).await;
    assert_eq!(movies(&chunks).into_iter().collect::<BTreeSet<_>>(), (1..=30).collect());
    assert_eq!(stub.count("append_to_response"), 30, "what was seen in the first walk is not fetched again");
    assert_eq!(stub.count("discover"), 6);
    assert!(reasons(&chunks).is_empty());
}

#[tokio::test]
async fn a_day_over_the_page_cap_is_read_to_the_cap_and_says_so() {
    let stub = TmdbStub::start((1..=502).map(|id| movie(id, day("2020-01-01")))).await;
    stub.page_sizes(1, 100);
    let chunks = run(ingest(&stub, IngestMode::Full, TmdbCursor::default(), TODAY)).await;
    assert_eq!(movies(&chunks).len(), 500);
    assert_eq!(reasons(&chunks), ["TMDB counts 502 movies here and shows 500 pages; 500 were read"]);
    assert_eq!(stub.count("page=501"), 0);
    assert_eq!(cursor_of(&chunks), listed(TODAY));
}

#[tokio::test]
async fn changes_overlap_the_last_sync_by_a_day_and_leave_the_rest_alone() {
    let stub = stub(5).await;
    for (id, changed) in [(1, "2026-11-18"), (2, "2026-11-19"), (3, "2026-11-20"), (4, "2026-11-22")] {
        stub.put(movie(id, day("2020-01-01")).changed_on(day(changed)));
    }
    stub.put(movie(6, day("2020-01-01")).changed_on(day("2026-11-21")));
    stub.misbehave_always("movie/6?", Mischief::Code(404, 34));
    let chunks = run(ingest(&stub, IngestMode::Auto, synced("2026-11-20"), TODAY)).await;
    assert_eq!(movies(&chunks), [2, 3, 4]);
    assert_eq!(chunks[0].missing, ids([6]));
    assert_eq!((chunks[0].done, chunks[0].total), (4, Some(4)));
    assert_eq!(stub.count("discover"), 0);
    assert!(stub.requests()[0].contains("start_date=2026-11-19&end_date=2026-11-22"));
    assert_eq!(cursor_of(&chunks), synced(TODAY));
}

#[tokio::test]
async fn a_gap_of_fourteen_days_takes_two_windows_and_a_larger_one_everything() {
    let stub = stub(3).await;
    stub.put(movie(2, day("2020-01-01")).changed_on(day("2026-11-09")));
    assert_eq!(movies(&run(ingest(&stub, IngestMode::Changes, synced("2026-11-08"), TODAY)).await), [2]);
    assert_eq!((stub.count("movie/changes"), stub.count("discover")), (2, 0));
    assert_eq!(movies(&run(ingest(&stub, IngestMode::Changes, synced("2026-11-07"), TODAY)).await).len(), 3);
    assert_eq!((stub.count("movie/changes"), stub.count("discover")), (2, 1));
}

#[tokio::test]
async fn an_ingest_resumed_on_a_later_day_ends_with_the_changes_since() {
    let stub = stub(30).await;
    let mut first = ingest(&stub, IngestMode::Auto, TmdbCursor::default(), "2026-11-20");
    let cursor = first.next_chunk().await.unwrap().unwrap().cursor;
    stub.put(movie(1, day("2000-01-11")).with("title", json!("Renamed")).changed_on(day("2026-11-21")));
    let chunks = run(ingest(&stub, IngestMode::Auto, cursor, TODAY)).await;
    assert_eq!(movies(&chunks), (21..=30).chain([1]).collect::<Vec<_>>());
    assert_eq!(cursor_of(&chunks), listed(TODAY));
}

#[tokio::test]
async fn an_unfinished_ingest_is_dropped_when_it_is_stale_or_less_than_what_is_asked() {
    let stub = stub(3).await;
    let unfinished = |plan: Plan, started: &str| {
        serde_json::from_value(json!({"synced_through": "2026-11-19", "in_progress": {
            "plan": plan, "started_on": started, "windows": [{"first": "2026-11-18", "last": "2026-11-20"}],
            "page": 1, "again": false, "seen": null, "done": 0, "total": null}}))
        .unwrap()
    };
    let changes = Plan::Changes { since: day("2026-11-18") };
    let plan_of = |mode, cursor| ingest(&stub, mode, cursor, TODAY).plan();
    assert_eq!(plan_of(IngestMode::Auto, unfinished(changes, "2026-11-20")), Some(changes));
    assert_eq!(plan_of(IngestMode::Full, unfinished(changes, "2026-11-20")), Some(Plan::Full));
    assert_eq!(plan_of(IngestMode::Changes, unfinished(Plan::Full, "2026-11-20")), Some(Plan::Full));
    assert_eq!(plan_of(IngestMode::Auto, unfinished(Plan::Full, "2026-10-01")), Some(changes));
}

#[tokio::test]
async fn a_page_that_cannot_be_had_is_an_error_and_the_next_call_goes_on() {
    let stub = stub(3).await;
    stub.misbehave("discover", 5, Mischief::Html);
    let mut ingest = ingest(&stub, IngestMode::Auto, TmdbCursor::default(), TODAY);
    let error = ingest.next_chunk().await.unwrap_err();
    assert!(!error.is_permanent() && error.to_string().contains("discover/movie"), "{error}");
    let chunk = ingest.next_chunk().await.unwrap().unwrap();
    assert_eq!(movies(&[chunk]), [1, 2, 3]);
    assert_eq!(ingest.next_chunk().await.unwrap(), None);
}

#[tokio::test]
async fn an_empty_tmdb_ends_in_sync_and_the_ingest_can_run_on_any_thread() {
    let stub = TmdbStub::start([]).await;
    let task = tokio::spawn(run(ingest(&stub, IngestMode::Auto, TmdbCursor::default(), TODAY)));
    let chunks = task.await.unwrap();
    assert_eq!((chunks.len(), cursor_of(&chunks)), (1, listed(TODAY)));
}
