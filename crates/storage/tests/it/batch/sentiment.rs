//! What reviews say, by movie and hour.

use domain::RunId;
use domain::hours::Hour;
use domain::ingest::{Record, Source};
use domain::movies::Review;
use domain::sentiment::{Lexicon, Score, Tally};
use futures::TryStreamExt;
use sqlx::PgPool;
use storage::postgres::batch::sentiment::{self, StoredReview};
use storage::postgres::speed;
use test_support::{fixture, live};

use crate::support::{at, write};

fn written(id: &str, movie: i64, content: &str, hour: u32, minute: u32) -> Record {
    Record::Review(Review {
        review_id: id.into(),
        movie_id: fixture::movie_id(movie),
        author: None,
        rating: None,
        content: content.into(),
        written_at: at(hour, minute),
    })
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn reviews_of_sources_and_viewers_come_movie_by_movie_in_the_order_of_time(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let records = vec![
        written("a", 603, "Dull.", 9, 0),
        written("b", 238, "Great.", 11, 0),
        written("c", 238, "Too late.", 12, 0),
    ];
    write(&pool, Source::Tmdb, records).await;
    let viewers = [live::review(238, "I loved it.", at(10, 59)), live::review(238, "Too late too.", at(12, 1))];
    let mut batch = speed::MicroBatch::default();
    batch.reviews.extend(viewers);
    live::apply(&pool, &batch).await.unwrap();

    let mut conn = pool.acquire().await.unwrap();
    let reviews: Vec<StoredReview> = sentiment::reviews(&mut conn, Hour::of(at(12, 0))).try_collect().await.unwrap();
    let review = |movie, hour, text| StoredReview {
        movie_id: fixture::movie_id(movie),
        hour: Hour::of(at(hour, 0)),
        score: Lexicon::new().score(text),
    };
    let expected = [review(238, 10, "I loved it."), review(238, 11, "Great."), review(603, 9, "Dull.")];
    assert_eq!(reviews, expected);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn hours_are_read_as_they_were_staged_from_a_moment_on(pool: PgPool) {
    let tally = |scores: &[f64]| {
        let mut tally = Tally::default();
        scores.iter().for_each(|score| tally.add(Score::new(*score)));
        tally
    };
    let (run, other) = (RunId::new(), RunId::new());
    let (movie, hour) = (fixture::movie_id(238), |n| Hour::of(at(n, 0)));
    let hours = [
        (movie, hour(1), tally(&[0.9, -0.4, 0.1])),
        (movie, hour(2), tally(&[1.0])),
        (movie, hour(4), tally(&[-1.0, -1.0])),
        (fixture::movie_id(603), hour(2), tally(&[0.5])),
    ];
    sentiment::stage(&pool, run, &hours).await.unwrap();
    sentiment::stage(&pool, other, &[(movie, hour(2), tally(&[0.0]))]).await.unwrap();
    let expected: Vec<_> = hours[1..3].iter().map(|(_, hour, tally)| (*hour, *tally)).collect();
    assert_eq!(sentiment::hours(&pool, run, movie, hour(2)).await.unwrap(), expected);
    // Before all that PostgreSQL's calendar has.
    let all = sentiment::hours(&pool, run, movie, Hour::from_index(i64::MIN)).await.unwrap();
    assert_eq!(all.len(), 3);
}
