//! Redis killed and started again under load, with its append-only file on.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::events::Fact;
use secrecy::SecretString;
use sqlx::PgPool;
use storage::event_log::{EventLog, RedisLog};
use test_support::live;
use tokio::sync::Mutex;

use super::{drained, merged, truth, world};

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

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn redis_killed_under_load_loses_nothing_that_was_accepted(pool: PgPool) {
    let (world, _) = world(&pool).await;
    let dir = std::env::temp_dir().join(test_support::unique_prefix());
    std::fs::create_dir_all(&dir).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(mut server) = Server::start(dir.clone(), port) else {
        return eprintln!("skipped: no redis-server on the PATH");
    };
    let url = format!("redis://127.0.0.1:{port}");
    let log = Arc::new(RedisLog::open(&SecretString::from(url.clone()), &world.prefix, 1_000_000).unwrap());
    while log.backlog().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let world = world.with("REDIS_URL", url);
    let worker = world.worker().await;

    // A sender that takes no answer for a no, and sends the same facts again.
    let now = Utc::now();
    let facts = live::facts(6_000, 20, now);
    let accepted = Arc::new(Mutex::new(0));
    let sender = tokio::spawn({
        let (log, facts, accepted) = (log.clone(), facts.clone(), accepted.clone());
        async move {
            for chunk in facts.chunks(50) {
                while log.append(chunk).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                *accepted.lock().await += chunk.len();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    for share in [0.2, 0.5, 0.8] {
        while (*accepted.lock().await as f64) < share * facts.len() as f64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server = server.killed_and_started_again();
    }
    sender.await.unwrap();
    drained(&log).await;
    worker.stop().await;
    let facts: Vec<Fact> = facts;
    assert_eq!(merged(&world.pool, now).await, truth(&facts));
    drop(server);
    let _ = std::fs::remove_dir_all(dir);
}
