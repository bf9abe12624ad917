//! Reviews are scored off the lanes' way, once, and are in exactly one layer whenever that happens.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use domain::events::{EventType, Fact};
use domain::hours::Hour;
use domain::ingest::{Record, Source};
use domain::movies::Review;
use domain::sentiment::Lexicon;
use sqlx::PgPool;
use storage::postgres::facts::scoring;
use storage::postgres::{catalogue, speed};
use test_support::fixture::movie_id;
use test_support::live;

use super::{append, batch_of, drained, merged, stack, truth};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn eight_reviews_of_emoji_hold_no_event_back(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let worker = stack.worker().await;
    let now = Utc::now();
    let mut facts: Vec<Fact> = (0..8).map(|_| Fact::Review(live::review(550, &"😍".repeat(10_000), now))).collect();
    facts.push(Fact::Event(live::event(603, EventType::View, now)));
    append(&log, &facts).await;
    let start = Instant::now();
    drained(&log).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    test_support::eventually("the reviews are scored", Duration::from_secs(60), async || {
        let waiting = scoring::waiting(&stack.pool).await.unwrap();
        if waiting == 0 { Ok(()) } else { Err(waiting) }
    })
    .await;
    worker.stop().await;
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
    let notes: Vec<Option<String>> =
        sqlx::query_scalar("SELECT DISTINCT sentiment_note FROM viewer_reviews").fetch_all(&stack.pool).await.unwrap();
    assert_eq!(notes, [Some("cut".to_owned())]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_review_scored_after_a_run_has_read_it_unscored_is_counted_once(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let pool = &stack.pool;
    let now = Utc::now();
    let hour = Hour::of(now).plus(-100).start();
    let review = |minute| Fact::Review(live::review(550, "A wonderful film.", hour + TimeDelta::minutes(minute)));
    let mut facts = vec![review(1)];
    speed::apply(pool, &batch_of(&facts)).await.unwrap();
    test_support::batch::events(pool, now).await;
    for round in 0..2 {
        facts.push(review(10 + round));
        speed::apply(pool, &batch_of(&facts[facts.len() - 1..])).await.unwrap();
        // It is claimed, so the run reads it unscored; the first round finds the hour's row dropped, the second finds it.
        let claimed = scoring::claim(pool, 10, Duration::from_secs(60)).await.unwrap();
        assert_eq!(claimed.len(), 1);
        if round == 0 {
            speed::drop_covered(pool, now).await.unwrap();
        }
        let scored: Vec<_> = claimed.into_iter().map(|review| review.score(&Lexicon::new())).collect();
        assert_eq!(scoring::finish(pool, &scored).await.unwrap(), 1);
        assert_eq!(scoring::finish(pool, &scored).await.unwrap(), 0, "another scorer comes second");
        assert_eq!(merged(pool, now).await, truth(&facts), "round {round}");
    }
    test_support::batch::events(pool, now).await;
    speed::drop_covered(pool, now).await.unwrap();
    assert_eq!(merged(pool, now).await, truth(&facts), "after the next run");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_changed_review_of_a_source_replaces_its_score_in_either_layer(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let pool = &stack.pool;
    let now = Utc::now();
    for (id, at) in [("old", Hour::of(now).plus(-100).start()), ("new", Hour::of(now).plus(2).start())] {
        // A moment in the future counts as now.
        let at_most_now = at.min(now);
        let write = async |content: &str| {
            let review = Review {
                review_id: id.into(),
                movie_id: movie_id(550),
                author: None,
                rating: None,
                content: content.into(),
                written_at: at,
            };
            let mut tx = pool.begin().await.unwrap();
            catalogue::write(&mut tx, Source::Tmdb, vec![Record::Review(review)]).await.unwrap();
            tx.commit().await.unwrap();
            live::score(pool).await;
        };
        write("A wonderful film.").await;
        if id == "old" {
            test_support::batch::events(pool, now).await;
        }
        write("Terrible. I hated it.").await;
        let (_, sentiment) = merged(pool, now).await;
        let tally = sentiment[&(movie_id(550), Hour::of(at_most_now))];
        assert_eq!((tally.count(), tally.negative), (1, 1), "{id}");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_text_that_ends_its_scorers_is_unscorable_and_the_others_are_scored(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let now = Utc::now();
    let facts = ["Wonderful.", "Great."].map(|text| Fact::Review(live::review(550, text, now)));
    speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();
    sqlx::query(
        "UPDATE unscored_reviews SET attempts = 3 WHERE position = (SELECT min(position) FROM unscored_reviews)",
    )
    .execute(&stack.pool)
    .await
    .unwrap();
    let claimed = scoring::claim(&stack.pool, 10, Duration::from_secs(60)).await.unwrap();
    let scored: Vec<_> = claimed.into_iter().map(|review| review.score(&Lexicon::new())).collect();
    assert_eq!(scoring::finish(&stack.pool, &scored).await.unwrap(), 2);
    let notes: Vec<(Option<String>, bool)> =
        sqlx::query_as("SELECT sentiment_note, sentiment > 0 FROM viewer_reviews ORDER BY 1")
            .fetch_all(&stack.pool)
            .await
            .unwrap();
    assert_eq!(notes, [(Some("unscorable".to_owned()), false), (None, true)]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_delivery_in_work_is_not_claimed_however_long_it_takes(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let now = Utc::now();
    // The tables are locked for three times the time after which a silent reader counts as dead.
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE viewer_events, viewer_reviews").execute(&mut *lock).await.unwrap();
    let (one, two) = (stack.worker().await, stack.worker().await);
    let facts = live::facts(20, 1, now);
    append(&log, &facts).await;
    let client = redis::Client::open(secrecy::ExposeSecret::expose_secret(&test_support::redis_url())).unwrap();
    let mut conn = client.get_multiplexed_async_connection().await.unwrap();
    let mut holders = async || -> Vec<(String, String)> {
        let mut command = redis::cmd("XPENDING");
        command.arg(format!("{}:events", stack.prefix)).arg("speed").arg("-").arg("+").arg(100);
        let pending: Vec<(String, String, u64, u64)> = command.query_async(&mut conn).await.unwrap_or_default();
        pending.into_iter().map(|(id, consumer, ..)| (id, consumer)).collect()
    };
    let start = Instant::now();
    let mut first = holders().await;
    while first.len() < facts.len() {
        assert!(start.elapsed() < Duration::from_secs(20), "the entries were never read");
        tokio::time::sleep(Duration::from_millis(20)).await;
        first = holders().await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(holders().await, first);
    lock.rollback().await.unwrap();
    drained(&log).await;
    one.stop().await;
    two.stop().await;
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
}
