//! One suite for every search engine within reach: PostgreSQL always, Meilisearch where `MEILI_URL` names one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::page::{Limit, Page};
use domain::search::{Engine, SearchQuery, SearchResults, SortBy};
use sqlx::PgPool;
use storage::postgres::catalogue;
use storage::postgres::catalogue::search;
use storage::search_index::SearchIndex;
use test_support::fixture;
use uuid::Uuid;

/// The engines, each filled with the small world.
async fn engines(pool: &PgPool) -> Vec<(Engine, SearchIndex)> {
    let pool = test_support::service_pool(pool).await;
    fixture::catalogue(&pool).await;
    filled(pool).await
}

/// The engines, each filled with what the catalogue has.
pub(crate) async fn filled(pool: PgPool) -> Vec<(Engine, SearchIndex)> {
    let mut engines = vec![(Engine::Postgres, SearchIndex::new(pool.clone(), None).unwrap())];
    match test_support::meili_url() {
        None => eprintln!("MEILI_URL is not set: the search suite runs against PostgreSQL only"),
        Some(url) => {
            let key = test_support::meili_key();
            let index =
                SearchIndex::new(pool.clone(), Some((&url, key.as_ref(), &test_support::unique_prefix()))).unwrap();
            fill(&pool, &index).await;
            engines.push((Engine::Meilisearch, index));
        }
    }
    engines
}

pub(crate) async fn fill(pool: &PgPool, index: &SearchIndex) {
    let building = index.meilisearch().unwrap().begin(Uuid::new_v4()).await.unwrap();
    let documents = search::documents(pool, 0, 1_000).await.unwrap();
    building.add(&documents).await.unwrap();
    building.verify(documents.len()).await.unwrap();
    building.swap().await.unwrap();
}

pub(crate) fn query(text: &str) -> SearchQuery {
    SearchQuery { text: text.into(), ..SearchQuery::default() }
}

pub(crate) async fn ask(engine: &(Engine, SearchIndex), query: &SearchQuery) -> SearchResults {
    let results = engine.1.search(query).await.unwrap();
    assert_eq!(results.engine, engine.0, "the engine under test did not answer");
    results
}

pub(crate) fn titles(results: &SearchResults) -> Vec<&str> {
    results.hits.iter().map(|hit| hit.title.as_str()).collect()
}

/// Gives the Meilisearch under test its space back.
pub(crate) async fn drop_index(engines: Vec<(Engine, SearchIndex)>) {
    for (_, index) in engines {
        if let Some(meilisearch) = index.meilisearch() {
            meilisearch.drop_index().await.unwrap();
        }
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_title_is_found_exactly_misspelt_unaccented_and_half_typed(pool: PgPool) {
    let engines = engines(&pool).await;
    for engine in &engines {
        for (text, title) in [
            ("The Godfather", "The Godfather"),
            ("godfather", "The Godfather"),
            ("godfahter", "The Godfather"),
            ("GODFATHER", "The Godfather"),
            ("amelie", "Amélie"),
            ("Amélie", "Amélie"),
            ("fight clbu", "Fight Club"),
            ("casab", "Casablanca"),
            ("spirited aw", "Spirited Away"),
            ("matrix", "The Matrix"),
        ] {
            let results = ask(engine, &query(text)).await;
            assert_eq!(titles(&results).first(), Some(&title), "{text:?} on {:?}: {:?}", engine.0, titles(&results));
        }
    }
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_misspelt_title_finds_the_movie_before_its_more_popular_sequels(pool: PgPool) {
    let pool = test_support::service_pool(&pool).await;
    fixture::catalogue(&pool).await;
    sqlx::query("UPDATE movies SET popularity = 500 WHERE title LIKE '%Part II' OR title LIKE '%Reloaded'")
        .execute(&pool)
        .await
        .unwrap();
    let engines = filled(pool).await;
    for engine in &engines {
        for (text, title) in [("godfahter", "The Godfather"), ("the matrx", "The Matrix")] {
            let results = ask(engine, &query(text)).await;
            assert_eq!(titles(&results)[0], title, "{text:?} on {:?}: {:?}", engine.0, titles(&results));
        }
    }
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn people_and_keywords_lead_to_movies(pool: PgPool) {
    let engines = engines(&pool).await;
    for engine in &engines {
        let results = ask(engine, &query("coppola")).await;
        assert_eq!(titles(&results), ["The Godfather", "The Godfather Part II"], "{:?}", engine.0);
        let results = ask(engine, &query("mafia")).await;
        assert_eq!(results.total, 2, "{:?}", engine.0);
    }
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn filters_narrow_and_sorts_order(pool: PgPool) {
    let engines = engines(&pool).await;
    for engine in &engines {
        let genre = SearchQuery { genre: Some("drama".into()), sort_by: SortBy::ReleaseDate, ..query("") };
        let found = ask(engine, &genre).await;
        assert_eq!(
            titles(&found),
            ["Fight Club", "The Godfather Part II", "The Godfather", "Casablanca"],
            "{:?}",
            engine.0
        );

        let best = SearchQuery { rating_min: Some(8.5), sort_by: SortBy::Rating, ..query("") };
        assert_eq!(titles(&ask(engine, &best).await), ["The Godfather", "The Godfather Part II", "Spirited Away"]);

        let worst = SearchQuery { rating_max: Some(7.9), ..query("") };
        assert_eq!(ask(engine, &worst).await.total, 2);

        let year = SearchQuery { year_from: Some(1999), year_to: Some(1999), sort_by: SortBy::Popularity, ..query("") };
        assert_eq!(titles(&ask(engine, &year).await), ["The Matrix", "Fight Club"], "{:?}", engine.0);

        let both = SearchQuery { year_to: Some(1999), ..query("matrix") };
        assert_eq!(titles(&ask(engine, &both).await), ["The Matrix"], "{:?}", engine.0);
    }
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn pages_do_not_overlap_and_the_empty_query_lists_everything_by_popularity(pool: PgPool) {
    let engines = engines(&pool).await;
    for engine in &engines {
        let mut all = Vec::new();
        for offset in [0, 3, 6] {
            let (limit, offset) = (Limit::try_from("3".to_owned()).unwrap(), offset.to_string().try_into().unwrap());
            let results = ask(engine, &SearchQuery { page: Page { limit, offset }, ..query("") }).await;
            assert_eq!(results.total, 8, "{:?}", engine.0);
            all.extend(results.hits.into_iter().map(|hit| hit.popularity));
        }
        assert_eq!(all, [90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0], "{:?}", engine.0);
    }
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_page_behind_the_end_is_empty_and_tells_the_total(pool: PgPool) {
    let pool = test_support::service_pool(&pool).await;
    fixture::catalogue(&pool).await;
    let postgres = (Engine::Postgres, SearchIndex::new(pool, None).unwrap());
    let page = Page { offset: "8".to_owned().try_into().unwrap(), ..Page::default() };
    for (text, total) in [("", 8), ("coppola", 2), ("zzzzqqqq", 0)] {
        let results = ask(&postgres, &SearchQuery { page, ..query(text) }).await;
        assert_eq!((results.hits.len(), results.total), (0, total), "{text:?}");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn nothing_a_user_types_is_syntax_or_an_error(pool: PgPool) {
    let engines = engines(&pool).await;
    for engine in &engines {
        for text in ["'", "\"", "a & !b | (c) <-> d:*", "\\", "%_%", "🎬", "½ʼ", "((((", ":*", "- -", "東京"] {
            ask(engine, &query(text)).await;
            ask(engine, &SearchQuery { genre: Some(text.into()), ..query("") }).await;
        }
        assert!(ask(engine, &query("zzzzqqqq")).await.hits.is_empty(), "{:?}", engine.0);
    }
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_tombstone_is_found_no_more(pool: PgPool) {
    let engines = engines(&pool).await;
    let godfather = [fixture::movie_id(238)];
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(catalogue::record_missing(&mut conn, &godfather).await.unwrap(), [], "one 404 may be a hiccup");
    assert_eq!(ask(&engines[0], &query("the godfather")).await.hits[0].movie_id, godfather[0]);
    assert_eq!(catalogue::record_missing(&mut conn, &godfather).await.unwrap(), godfather);
    for engine in &engines {
        if let Some(meilisearch) = engine.1.meilisearch() {
            assert!(meilisearch.apply(&[], &godfather).await.unwrap());
        }
        let results = ask(engine, &query("the godfather")).await;
        assert_eq!(titles(&results)[0], "The Godfather Part II", "{:?}", engine.0);
        assert!(results.hits.iter().all(|hit| hit.movie_id != godfather[0]), "{:?}", engine.0);
    }
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_rebuild_has_no_moment_without_results(pool: PgPool) {
    let engines = engines(&pool).await;
    let Some((_, index)) = engines.iter().find(|engine| engine.0 == Engine::Meilisearch) else { return };
    let stop = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (index, stop) = (index.clone(), stop.clone());
        async move {
            let mut searches = 0;
            while !stop.load(Ordering::Relaxed) {
                let results = index.search(&query("godfather")).await.unwrap();
                assert_eq!((results.engine, results.total), (Engine::Meilisearch, 2));
                searches += 1;
            }
            searches
        }
    });
    for _ in 0..2 {
        fill(&pool, index).await;
    }
    stop.store(true, Ordering::Relaxed);
    assert!(reader.await.unwrap() > 0);
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn without_meilisearch_postgresql_answers(pool: PgPool) {
    let pool = test_support::service_pool(&pool).await;
    fixture::catalogue(&pool).await;
    // Port 9 (discard) refuses.
    let index = SearchIndex::new(pool, Some(("http://127.0.0.1:9", None, "movies"))).unwrap();
    let results = index.search(&query("godfahter")).await.unwrap();
    assert_eq!((results.engine, titles(&results)[0]), (Engine::Postgres, "The Godfather"));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_build_that_lost_its_lease_cannot_go_live(pool: PgPool) {
    let engines = engines(&pool).await;
    let Some((_, index)) = engines.iter().find(|engine| engine.0 == Engine::Meilisearch) else { return };
    let meilisearch = index.meilisearch().unwrap();
    let (slow, next) = (Uuid::new_v4(), Uuid::new_v4());
    let half_filled = meilisearch.begin(slow).await.unwrap();
    half_filled.add(&search::documents(&pool, 0, 3).await.unwrap()).await.unwrap();
    assert!(half_filled.verify(8).await.is_err(), "what is missing is noticed");
    assert_eq!(meilisearch.sweep(&meilisearch.indexes().await.unwrap(), Some(next)).await.unwrap(), 1);
    half_filled.swap().await.unwrap_err();
    assert_eq!(meilisearch.document_count().await.unwrap(), Some(8));
    drop_index(engines).await;
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn changes_make_no_index_and_drift_is_seen(pool: PgPool) {
    let engines = engines(&pool).await;
    let Some((_, index)) = engines.iter().find(|engine| engine.0 == Engine::Meilisearch) else { return };
    let meilisearch = index.meilisearch().unwrap();
    let documents = search::documents(&pool, 0, 1_000).await.unwrap();
    assert_eq!(meilisearch.has_settings().await.unwrap(), Some(true));
    let mut indexed = meilisearch.documents(0, 100).await.unwrap();
    indexed.sort_by_key(|document| document.hit.movie_id);
    assert_eq!(indexed, documents, "a document comes back as it was sent");
    meilisearch.drop_index().await.unwrap();
    assert_eq!(meilisearch.has_settings().await.unwrap(), None);
    assert!(!meilisearch.apply(&documents, &[]).await.unwrap());
    assert_eq!(meilisearch.document_count().await.unwrap(), None);
}
