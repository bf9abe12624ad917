//! What a worker does with a job that it holds.

use std::time::Duration;

use domain::jobs::JobStatus;
use serde_json::json;
use sqlx::PgPool;
use storage::postgres::jobs::lease::{self, HeartbeatReply, Lease, Progress};
use storage::postgres::jobs::{self, Job, sweep};

use super::{enqueue, get, probe, silence};

async fn claimed(pool: &PgPool) -> (Job, Lease) {
    let id = enqueue(pool, probe()).await;
    lease::claim(pool, id, "worker").await.unwrap().unwrap()
}

fn progress(done: i64) -> Progress {
    Progress { done, total: Some(10), phase: Some("working".into()) }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn of_many_who_claim_a_job_one_gets_it(pool: PgPool) {
    let id = enqueue(&pool, probe()).await;
    let claim = || lease::claim(&pool, id, "worker");
    let (a, b, c) = tokio::join!(claim(), claim(), claim());
    let granted: Vec<(Job, Lease)> = [a, b, c].into_iter().filter_map(|claim| claim.unwrap()).collect();
    assert_eq!(granted.len(), 1);
    let (job, held) = &granted[0];
    assert_eq!((job.id, held.job_id, job.status, job.attempts), (id, id, JobStatus::Running, 1));
    assert!(job.started_at.is_some() && job.heartbeat_at.is_some());
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_heartbeat_reports_progress_and_hears_of_a_cancellation(pool: PgPool) {
    let (job, held) = claimed(&pool).await;
    assert_eq!(lease::heartbeat(&pool, held, &progress(3)).await.unwrap(), HeartbeatReply::Continue);
    let seen = get(&pool, job.id).await;
    assert_eq!((seen.done, seen.total, seen.phase.as_deref()), (3, Some(10), Some("working")));
    jobs::cancel(&mut pool.acquire().await.unwrap(), job.id).await.unwrap();
    assert_eq!(lease::heartbeat(&pool, held, &progress(4)).await.unwrap(), HeartbeatReply::CancelRequested);
    lease::cancelled(&pool, held).await.unwrap();
    let ended = get(&pool, job.id).await;
    assert!(ended.status == JobStatus::Cancelled && ended.finished_at.is_some(), "{ended:?}");
    assert_eq!(lease::heartbeat(&pool, held, &progress(5)).await.unwrap(), HeartbeatReply::LeaseLost);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_ends_with_its_result_or_its_error(pool: PgPool) {
    let (job, held) = claimed(&pool).await;
    lease::succeed(&pool, held, &json!({"rows": 7}), &progress(9)).await.unwrap();
    let done = get(&pool, job.id).await;
    assert_eq!((done.status, done.result, done.error), (JobStatus::Succeeded, Some(json!({"rows": 7})), None));
    assert_eq!((done.done, done.total, done.phase.as_deref()), (10, Some(10), Some("done")), "all of it is done");

    let (job, held) = claimed(&pool).await;
    lease::fail(&pool, held, "no movies", &progress(9), None).await.unwrap();
    let failed = get(&pool, job.id).await;
    assert_eq!((failed.status, failed.error.as_deref()), (JobStatus::Failed, Some("no movies")));
    assert!(failed.finished_at.is_some());
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_failed_attempt_waits_for_its_time_before_it_can_be_claimed_again(pool: PgPool) {
    let (job, held) = claimed(&pool).await;
    lease::fail(&pool, held, "away", &progress(9), Some(Duration::from_secs(3_600))).await.unwrap();
    let waiting = get(&pool, job.id).await;
    assert_eq!((waiting.status, waiting.finished_at), (JobStatus::Retrying, None));
    assert!(lease::claim(&pool, job.id, "early").await.unwrap().is_none(), "an hour too early");
    sqlx::query("UPDATE jobs SET run_after = now()").execute(&pool).await.unwrap();
    let (again, _) = lease::claim(&pool, job.id, "in time").await.unwrap().unwrap();
    assert_eq!(again.attempts, 2);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_released_job_waits_again_and_its_attempt_does_not_count(pool: PgPool) {
    let (job, held) = claimed(&pool).await;
    lease::release(&pool, held).await.unwrap();
    let waiting = get(&pool, job.id).await;
    assert_eq!((waiting.status, waiting.attempts), (JobStatus::Queued, 0));
    assert!(lease::claim(&pool, job.id, "another").await.unwrap().is_some());
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn whatever_a_worker_says_after_it_lost_its_lease_is_refused(pool: PgPool) {
    let (job, old) = claimed(&pool).await;
    silence(&pool, job.id).await;
    assert_eq!(sweep::expire_leases(&pool).await.unwrap(), (1, 0));
    let (_, new) = lease::claim(&pool, job.id, "successor").await.unwrap().unwrap();
    let before = get(&pool, job.id).await;
    assert_eq!(lease::heartbeat(&pool, old, &progress(9)).await.unwrap(), HeartbeatReply::LeaseLost);
    lease::succeed(&pool, old, &json!("stale"), &progress(9)).await.unwrap();
    lease::fail(&pool, old, "stale", &progress(9), None).await.unwrap();
    lease::cancelled(&pool, old).await.unwrap();
    lease::release(&pool, old).await.unwrap();
    assert_eq!(get(&pool, job.id).await, before);
    lease::succeed(&pool, new, &json!("fresh"), &progress(9)).await.unwrap();
    assert_eq!(get(&pool, job.id).await.result, Some(json!("fresh")));
}
