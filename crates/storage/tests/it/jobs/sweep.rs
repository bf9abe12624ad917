//! Ids on their way to Redis, and what was lost.

use std::collections::HashSet;

use domain::JobId;
use domain::jobs::{JobKind, JobStatus, MAX_CRASHES, Queue};
use sqlx::PgPool;
use storage::postgres::jobs::sweep::{self, MAX_IN_REDIS};
use storage::postgres::jobs::{self, NewJob, lease};

use super::{enqueue, get, probe, silence};

fn lane() -> Queue {
    JobKind::Probe.queue()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn twenty_thousand_jobs_go_to_redis_in_order_once_and_never_more_than_it_may_hold(pool: PgPool) {
    const JOBS: usize = 20_000;
    let enqueued = jobs::enqueue_many(&pool, &probe(), JOBS).await.unwrap();
    let (mut in_redis, mut sent, mut most) = (Vec::<JobId>::new(), Vec::new(), 0);
    loop {
        let ids = sweep::dispatch(&pool, lane(), in_redis.len() as i64).await.unwrap();
        if ids.is_empty() {
            break;
        }
        in_redis.extend(&ids);
        sent.extend(&ids);
        most = most.max(in_redis.len() as i64);
        assert_eq!(sweep::dispatch(&pool, lane(), MAX_IN_REDIS).await.unwrap(), [], "no room, none sent");
        // Workers run some of them.
        let ran: Vec<_> = in_redis.drain(..in_redis.len().min(700)).map(|id| id.0).collect();
        sqlx::query("UPDATE jobs SET status = 'succeeded' WHERE job_id = ANY($1)")
            .bind(ran)
            .execute(&pool)
            .await
            .unwrap();
    }
    assert_eq!(most, MAX_IN_REDIS, "all the room was used, and no more");
    assert_eq!(sent.len(), JOBS);
    assert_eq!(sent.iter().collect::<HashSet<_>>(), enqueued.iter().collect(), "each once");
    assert!(sent.is_sorted(), "the oldest first");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn only_what_is_due_in_its_own_queue_is_sent(pool: PgPool) {
    let due = enqueue(&pool, probe()).await;
    let later = enqueue(&pool, probe()).await;
    sqlx::query("UPDATE jobs SET run_after = now() + interval '1 hour' WHERE job_id = $1")
        .bind(later.0)
        .execute(&pool)
        .await
        .unwrap();
    let elsewhere = enqueue(&pool, NewJob::of(JobKind::Trending, "test")).await;
    let running = enqueue(&pool, probe()).await;
    lease::claim(&pool, running, "worker").await.unwrap().unwrap();
    assert_eq!(sweep::dispatch(&pool, lane(), 0).await.unwrap(), [due]);
    assert_eq!(sweep::dispatch(&pool, JobKind::Trending.queue(), 0).await.unwrap(), [elsewhere]);
    // Sent already, and Redis holds it.
    assert_eq!(sweep::dispatch(&pool, lane(), 1).await.unwrap(), []);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_redis_did_not_take_or_forgot_is_sent_again(pool: PgPool) {
    let id = enqueue(&pool, probe()).await;
    let mut turn = sweep::take_turn(&pool, lane()).await.unwrap().unwrap();
    assert_eq!(sweep::dispatch(&mut *turn, lane(), 0).await.unwrap(), [id]);
    turn.rollback().await.unwrap();
    assert_eq!(sweep::dispatch(&pool, lane(), 0).await.unwrap(), [id], "the push failed");
    assert_eq!(sweep::dispatch(&pool, lane(), 0).await.unwrap(), [], "it may be on its way");
    sqlx::query("UPDATE jobs SET dispatched_at = now() - interval '1 minute'").execute(&pool).await.unwrap();
    assert_eq!(sweep::dispatch(&pool, lane(), 1).await.unwrap(), [], "Redis holds as many as were sent");
    assert_eq!(sweep::dispatch(&pool, lane(), 0).await.unwrap(), [id], "Redis was emptied");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_whose_worker_died_waits_again_until_it_is_parked(pool: PgPool) {
    let id = enqueue(&pool, probe()).await;
    for crash in 1..=MAX_CRASHES {
        lease::claim(&pool, id, "worker").await.unwrap().unwrap();
        assert_eq!(sweep::expire_leases(&pool).await.unwrap(), (0, 0), "it has just been heard of");
        silence(&pool, id).await;
        let parked = crash == MAX_CRASHES;
        assert_eq!(sweep::expire_leases(&pool).await.unwrap(), if parked { (0, 1) } else { (1, 0) });
        let job = get(&pool, id).await;
        let status = if parked { JobStatus::Failed } else { JobStatus::Retrying };
        assert_eq!((job.status, job.crashes, job.attempts), (status, crash, 0), "a death is not an attempt: {job:?}");
        assert_eq!(job.finished_at.is_some(), parked);
    }
    assert!(lease::claim(&pool, id, "worker").await.unwrap().is_none(), "a parked job is not run");
    assert!(get(&pool, id).await.error.unwrap().contains("parked"));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn dispatchers_that_wake_at_once_take_turns(pool: PgPool) {
    jobs::enqueue_many(&pool, &probe(), 3_000).await.unwrap();
    let mut turn = sweep::take_turn(&pool, lane()).await.unwrap().unwrap();
    assert_eq!(sweep::dispatch(&mut *turn, lane(), 0).await.unwrap().len() as i64, MAX_IN_REDIS);
    assert!(sweep::take_turn(&pool, lane()).await.unwrap().is_none(), "another would count the same room");
    assert!(sweep::take_turn(&pool, JobKind::Trending.queue()).await.unwrap().is_some(), "other queues have their own");
    turn.commit().await.unwrap();
    assert!(sweep::take_turn(&pool, lane()).await.unwrap().is_some());
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_that_was_to_be_cancelled_is_when_its_worker_dies(pool: PgPool) {
    let id = enqueue(&pool, probe()).await;
    lease::claim(&pool, id, "worker").await.unwrap().unwrap();
    jobs::cancel(&mut pool.acquire().await.unwrap(), id).await.unwrap();
    silence(&pool, id).await;
    sweep::expire_leases(&pool).await.unwrap();
    assert_eq!(get(&pool, id).await.status, JobStatus::Cancelled);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_dispatcher_hears_of_new_and_of_retried_jobs(pool: PgPool) {
    let mut listener = sweep::listen(&pool).await.unwrap();
    let mut heard = async || {
        tokio::time::timeout(std::time::Duration::from_secs(10), listener.recv())
            .await
            .expect("a notification")
            .unwrap()
    };
    let id = enqueue(&pool, probe()).await;
    heard().await;
    let mut conn = pool.acquire().await.unwrap();
    jobs::cancel(&mut conn, id).await.unwrap();
    jobs::retry(&mut conn, id).await.unwrap();
    heard().await;
}
