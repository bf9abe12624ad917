use chrono::Utc;
use domain::events::EventType;
use domain::hours::Window;
use domain::merge::Decision;
use query::movies::MoviePage;
use query::sentiment::MovieSentiment;
use query::{LayerHours, QueryError, Question};
use sqlx::PgPool;
use storage::postgres::speed::MicroBatch;
use test_support::fixture::{self, movie_id};
use test_support::live;

use crate::reader;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn merged_reads_are_counted_and_timed(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let now = Utc::now();
    let reviews = vec![live::review(550, "A wonderful film, I loved it.", now)];
    live::apply(&pool, &MicroBatch { events: vec![live::event(550, EventType::Like, now)], reviews }).await.unwrap();
    let reader = reader(&pool).await;
    assert_eq!((reader.layers.total(), reader.layers.average_millis()), (0, None));

    let movie = MoviePage { movie_id: movie_id(550), explain: true }.read(&reader).await.unwrap();
    let view = movie.view();
    assert_eq!((view.viewers.of(EventType::Like), view.data_source), (1, "speed"));
    let provenance = view.provenance.unwrap();
    assert_eq!((provenance.hours, provenance.cache.is_none()), (LayerHours { batch: 0, speed: 1 }, true));

    let sentiment = MovieSentiment { movie_id: movie_id(550), window: Window::Days(7), explain: false };
    let sentiment = sentiment.read(&reader).await.unwrap();
    assert_eq!((sentiment.title.as_str(), sentiment.sentiment.total_reviews), ("Fight Club", 1));

    assert_eq!((reader.layers.queries(Decision::Both), reader.layers.queries(Decision::Speed)), (1, 1));
    assert_eq!(reader.layers.hours(), LayerHours { batch: 0, speed: 2 });
    assert!(reader.layers.average_millis().is_some_and(|millis| millis > 0.0), "the time of merging, not of nothing");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movie_that_is_not_there_is_not_found(pool: PgPool) {
    let reader = reader(&pool).await;
    let page = MoviePage { movie_id: movie_id(1), explain: false }.read(&reader).await.map(drop);
    let sentiment = MovieSentiment { movie_id: movie_id(1), window: Window::All, explain: false };
    for error in [page.unwrap_err(), sentiment.read(&reader).await.map(drop).unwrap_err()] {
        assert!(matches!(error, QueryError::NotFound { field: "id", .. }), "{error}");
    }
    assert_eq!(reader.layers.total(), 0);
}
