//! Redis killed and started again under load, with its append-only file on.

use std::collections::HashSet;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::events::Fact;
use secrecy::SecretString;
use sqlx::PgPool;
use storage::event_log::EventLog;
use test_support::live;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{drained, merged, stack, truth};

/// At a kill, some of them are waiting for an answer.
const SENDERS: usize = 4;

fn id(fact: &Fact) -> Uuid {
    match fact {
        Fact::Event(event) => event.event_id.0,
        Fact::Review(review) => review.review_id.0,
    }
}

/// A Redis of our own, killed when dropped.
struct Server {
    child: Child,
    port: u16,
    dir: std::path::PathBuf,
}

impl Server {
    /// `None` where there is no `redis-server`.
    fn start(dir: std::path::PathBuf, port: u16) -> Option<Self> {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--maxmemory-policy", "noeviction", "--dir"])
            .arg(&dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        Some(Self { child, port, dir })
    }

    /// SIGKILL: nothing is written that was not written before.
    fn killed_and_started_again(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start(self.dir.clone(), self.port).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn answers(log: &Arc<dyn EventLog>) {
    while log.backlog().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn redis_killed_under_load_loses_nothing_that_was_accepted(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let dir = std::env::temp_dir().join(test_support::unique_prefix());
    std::fs::create_dir_all(&dir).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(mut server) = Server::start(dir.clone(), port) else {
        return eprintln!("skipped: no redis-server on the PATH");
    };
    let url = format!("redis://127.0.0.1:{port}");
    let log = live::log_at(SecretString::from(url.clone()), &stack.prefix, 1_000_000);
    answers(&log).await;
    let stack = stack.with("REDIS_URL", url);
    let worker = stack.worker().await;

    // Senders that note what was accepted, and never send again what was not: of that the log may have any part.
    let now = Utc::now();
    let facts = live::facts(SENDERS * 2_000, 20, now);
    let accepted = Arc::new(Mutex::new(HashSet::new()));
    let senders = facts.chunks(facts.len() / SENDERS).map(|share| {
        let (log, share, accepted) = (log.clone(), share.to_vec(), accepted.clone());
        tokio::spawn(async move {
            for chunk in share.chunks(20) {
                match log.append(chunk).await {
                    Ok(_) => accepted.lock().await.extend(chunk.iter().map(id)),
                    Err(_) => answers(&log).await,
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    for share in [0.2, 0.4, 0.6] {
        while (accepted.lock().await.len() as f64) < share * facts.len() as f64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server = server.killed_and_started_again();
    }
    for sender in senders {
        sender.await.unwrap();
    }
    drained(&log).await;
    worker.stop().await;

    let accepted = accepted.lock().await;
    let stored: HashSet<Uuid> =
        sqlx::query_scalar("SELECT event_id FROM viewer_events UNION ALL SELECT review_id FROM viewer_reviews")
            .fetch_all(&stack.pool)
            .await
            .unwrap()
            .into_iter()
            .collect();
    assert!(accepted.is_subset(&stored), "{} accepted events were lost", accepted.difference(&stored).count());
    assert!(accepted.len() < facts.len(), "Redis was never killed while somebody was sending");
    let facts: Vec<Fact> = facts.into_iter().filter(|fact| stored.contains(&id(fact))).collect();
    assert_eq!(merged(&stack.pool, now).await, truth(&facts), "each counts once");
    drop(server);
    let _ = std::fs::remove_dir_all(dir);
}
