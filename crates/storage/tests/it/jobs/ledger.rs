//! Rows of the ledger.

use domain::JobId;
use domain::jobs::{JobKind, JobStatus};
use sqlx::PgPool;
use storage::postgres::jobs::{self, Job, JobFilter, NewJob, lease};

use super::{enqueue, get, probe};
use crate::support::page;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_new_job_waits_with_everything_else_unset(pool: PgPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (job, created) = jobs::enqueue(&mut conn, NewJob::of(JobKind::Trending, "schedule:trending")).await.unwrap();
    assert!(created);
    let expected = Job {
        id: job.id,
        kind: JobKind::Trending,
        payload: job.payload.clone(),
        requested_by: "schedule:trending".into(),
        status: JobStatus::Queued,
        attempts: 0,
        max_attempts: JobKind::Trending.max_attempts(),
        crashes: 0,
        cancel_requested: false,
        done: 0,
        total: None,
        phase: None,
        result: None,
        error: None,
        created_at: job.created_at,
        started_at: None,
        heartbeat_at: None,
        finished_at: None,
    };
    assert_eq!(job, expected);
    assert_eq!(jobs::get(&mut conn, job.id).await.unwrap(), Some(expected));
    assert_eq!(jobs::get(&mut conn, JobId::new()).await.unwrap(), None);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_key_makes_one_job_even_of_requests_side_by_side(pool: PgPool) {
    let keyed = || NewJob { idempotency_key: Some("tick".into()), ..probe() };
    let one = || async {
        let mut conn = pool.acquire().await.unwrap();
        jobs::enqueue(&mut conn, keyed()).await.unwrap()
    };
    let (a, b, c) = tokio::join!(one(), one(), one());
    let answers = [a, b, c];
    assert_eq!(answers.iter().filter(|(_, created)| *created).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|(job, _)| job.id == answers[0].0.id));
    assert_ne!(enqueue(&pool, probe()).await, enqueue(&pool, probe()).await, "without a key each is a job of its own");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn jobs_are_listed_newest_first_by_kind_and_status(pool: PgPool) {
    let mut ids = Vec::new();
    for kind in [JobKind::Probe, JobKind::Trending, JobKind::Probe, JobKind::Probe] {
        ids.push(enqueue(&pool, NewJob::of(kind, "test")).await);
    }
    let mut conn = pool.acquire().await.unwrap();
    jobs::cancel(&mut conn, ids[3]).await.unwrap();
    let list = async |kind, status, limit, offset| {
        let (jobs, total) = jobs::list(&pool, &JobFilter { kind, status }, page(limit, offset)).await.unwrap();
        (jobs.into_iter().map(|job| job.id).collect::<Vec<_>>(), total)
    };
    assert_eq!(list(None, None, 20, 0).await, (ids.iter().rev().copied().collect(), 4));
    assert_eq!(list(None, None, 1, 2).await, (vec![ids[1]], 4));
    assert_eq!(list(Some(JobKind::Probe), None, 20, 0).await, (vec![ids[3], ids[2], ids[0]], 3));
    assert_eq!(list(Some(JobKind::Probe), Some(JobStatus::Queued), 20, 0).await, (vec![ids[2], ids[0]], 2));
    assert_eq!(list(None, Some(JobStatus::Failed), 20, 0).await, (vec![], 0));

    let mut counts = jobs::counts(&pool).await.unwrap();
    counts.sort_unstable();
    let queue = |kind: JobKind| kind.queue().as_str().to_owned();
    let mut expected = vec![
        (queue(JobKind::Probe), "queued".to_owned(), 2),
        (queue(JobKind::Probe), "cancelled".to_owned(), 1),
        (queue(JobKind::Trending), "queued".to_owned(), 1),
    ];
    expected.sort_unstable();
    assert_eq!(counts, expected);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn cancelling_ends_a_waiting_job_asks_a_running_one_and_leaves_a_finished_one(pool: PgPool) {
    let (waiting, running, done) =
        (enqueue(&pool, probe()).await, enqueue(&pool, probe()).await, enqueue(&pool, probe()).await);
    lease::claim(&pool, running, "worker").await.unwrap().unwrap();
    let (_, held) = lease::claim(&pool, done, "worker").await.unwrap().unwrap();
    lease::succeed(&pool, held, &serde_json::json!({}), &lease::Progress::default()).await.unwrap();
    let before = get(&pool, done).await;
    let mut conn = pool.acquire().await.unwrap();
    let mut cancel = async |id| jobs::cancel(&mut conn, id).await.unwrap();
    let job = cancel(waiting).await.unwrap();
    assert!(job.status == JobStatus::Cancelled && job.finished_at.is_some(), "{job:?}");
    let job = cancel(running).await.unwrap();
    assert!(job.status == JobStatus::Running && job.cancel_requested && job.finished_at.is_none(), "{job:?}");
    assert_eq!(cancel(done).await, Some(before));
    assert_eq!(cancel(JobId::new()).await, None);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_retried_job_begins_as_if_it_had_never_run(pool: PgPool) {
    let id = enqueue(&pool, probe()).await;
    let fresh = get(&pool, id).await;
    let (_, held) = lease::claim(&pool, id, "worker").await.unwrap().unwrap();
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(jobs::retry(&mut conn, id).await.unwrap().unwrap().status, JobStatus::Running, "not while it runs");
    lease::fail(&pool, held, "no luck", &lease::Progress::default(), None).await.unwrap();
    let job = jobs::retry(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(Job { heartbeat_at: None, ..job }, fresh);
    assert!(lease::claim(&pool, id, "worker").await.unwrap().is_some());
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn finished_jobs_are_deleted_when_they_are_old_and_waiting_ones_never(pool: PgPool) {
    let ids = jobs::enqueue_many(&pool, &probe(), 5).await.unwrap();
    sqlx::query("UPDATE jobs SET status = 'failed', finished_at = now() - interval '9 days' WHERE job_id = ANY($1)")
        .bind([ids[0].0, ids[1].0])
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("UPDATE jobs SET status = 'failed', finished_at = now() - interval '7 days' WHERE job_id = $1")
        .bind(ids[2].0)
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("UPDATE jobs SET created_at = now() - interval '90 days'").execute(&pool).await.unwrap();
    assert_eq!(jobs::collect(&pool, 8).await.unwrap(), 2);
    assert_eq!(jobs::list(&pool, &JobFilter::default(), page(20, 0)).await.unwrap().1, 3);
    assert_eq!(jobs::collect(&pool, 8).await.unwrap(), 0);
}
