//! The transport of jobs against a real Redis.

use domain::JobId;
use domain::jobs::Queue;
use storage::queue::JobQueue;

async fn queue() -> JobQueue {
    JobQueue::connect(&test_support::redis_url(), &test_support::unique_prefix()).await.unwrap()
}

fn ids(count: usize) -> Vec<JobId> {
    std::iter::repeat_with(JobId::new).take(count).collect()
}

#[tokio::test]
async fn ids_wait_in_their_own_queue_until_a_worker_takes_them() {
    let queue = queue().await;
    queue.push(Queue::Compute, &[]).await.unwrap();
    queue.push(Queue::Compute, &ids(1_000)).await.unwrap();
    queue.push(Queue::Ingest, &ids(2)).await.unwrap();
    assert_eq!(waiting(&queue).await, (1_000, 2, 0));
}

async fn waiting(queue: &JobQueue) -> (i64, i64, i64) {
    let of = async |lane| queue.waiting(lane).await.unwrap();
    (of(Queue::Compute).await, of(Queue::Ingest).await, of(Queue::Maintenance).await)
}

#[tokio::test]
async fn a_server_answers_how_it_is_set_up() {
    let queue = queue().await;
    assert!(!queue.ping().await.unwrap().is_zero());
    let policy = queue.eviction_policy().await.unwrap();
    assert!(policy == "noeviction" || policy.contains("lru") || policy.contains("lfu") || policy.contains("random"));
}

#[tokio::test]
async fn two_installations_share_a_server_without_seeing_each_others_jobs() {
    let (ours, theirs) = (queue().await, queue().await);
    ours.push(Queue::Maintenance, &ids(3)).await.unwrap();
    assert_eq!((waiting(&ours).await, waiting(&theirs).await), ((0, 0, 3), (0, 0, 0)));
}
