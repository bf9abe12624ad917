//! A worker for a test: in this process, or as a process of its own that can be killed.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use domain::JobId;
use domain::jobs::{JobKind, JobStatus, JobType, Probe};
use secrecy::ExposeSecret;
use settings::{Env, WorkerSettings};
use sqlx::PgPool;
use storage::postgres::jobs::{self, Job, NewJob};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use worker::Application;

/// What one worker test runs against: a database, a Redis prefix, settings.
pub struct Stack {
    pub pool: PgPool,
    pub prefix: String,
    variables: Vec<(String, String)>,
}

impl Stack {
    pub async fn new(pool: &PgPool) -> Self {
        let prefix = test_support::unique_prefix();
        let variables = [
            ("DATABASE_URL", test_support::database_url(pool)),
            ("REDIS_URL", test_support::redis_url().expose_secret().to_owned()),
            ("REDIS_PREFIX", prefix.clone()),
            ("OBJECT_STORE_URL", std::env::temp_dir().join(&prefix).display().to_string()),
            ("DATABASE_POOL_SIZE", "12".to_owned()),
            ("WORKER_METRICS_PORT", "0".to_owned()),
            ("WORKER_DRAIN_SECONDS", "5".to_owned()),
        ];
        Self {
            pool: test_support::service_pool(pool).await,
            prefix,
            variables: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub fn settings(&self) -> WorkerSettings {
        let env = Env::of(self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        WorkerSettings::load(&env).unwrap()
    }

    /// A worker within this process.
    pub async fn worker(&self) -> Running {
        let application = Application::build(self.settings()).await.unwrap();
        let stop = Arc::new(Notify::new());
        let heard = stop.clone();
        let task = tokio::spawn(application.run_until(async move {
            heard.notified().await;
            Ok(())
        }));
        Running { stop, task }
    }

    /// A worker as a process, to be killed.
    pub fn process(&self) -> Process {
        let child = Command::new(env!("CARGO_BIN_EXE_worker"))
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Process(child)
    }

    pub async fn enqueue(&self, kind: JobKind) -> JobId {
        self.enqueue_new(NewJob::of(kind, "test")).await
    }

    pub async fn enqueue_with(&self, job: &impl JobType) -> JobId {
        self.enqueue_new(NewJob::with(job, "test").unwrap()).await
    }

    async fn enqueue_new(&self, new: NewJob) -> JobId {
        jobs::enqueue(&mut self.pool.acquire().await.unwrap(), new).await.unwrap().0.id
    }

    pub async fn probe(&self, hold_ms: u64) -> JobId {
        self.enqueue_with(&Probe { hold_ms: Some(hold_ms) }).await
    }

    /// Waits until a job that is enqueued now has run: by then the dispatcher has looked at all that waited before it.
    pub async fn overtaken(&self) {
        let later = self.probe(0).await;
        self.until(later, JobStatus::Succeeded).await;
    }

    pub async fn job(&self, id: JobId) -> Job {
        jobs::get(&mut self.pool.acquire().await.unwrap(), id).await.unwrap().unwrap()
    }

    /// Waits until a job has this status.
    pub async fn until(&self, id: JobId, status: JobStatus) -> Job {
        self.until_where(id, &format!("is {}", status.as_str()), |job| job.status == status).await
    }

    /// Waits until a job is as wished; ends the test after a minute.
    pub async fn until_where(&self, id: JobId, wish: &str, is: impl Fn(&Job) -> bool) -> Job {
        test_support::eventually(&format!("the job {wish}"), Duration::from_secs(60), async || {
            let job = self.job(id).await;
            if is(&job) {
                return Ok(job);
            }
            assert!(!job.status.is_final(), "the job ended before it {wish}: {job:?}");
            Err(job)
        })
        .await
    }

    pub async fn run(&self, kind: JobKind) -> Job {
        let id = self.enqueue(kind).await;
        self.until_where(id, "ended", |job| job.status.is_final()).await
    }

    /// Makes the lease of a job whose worker was killed expire now instead of in [`domain::jobs::LEASE`], as a
    /// dispatcher does that has watched the ledger for that long.
    pub async fn expire_lease(&self, id: JobId) {
        sqlx::query("UPDATE jobs SET heartbeat_at = now() - interval '1 hour' WHERE job_id = $1")
            .bind(id.0)
            .execute(&self.pool)
            .await
            .unwrap();
        jobs::sweep::expire_leases(&self.pool).await.unwrap();
    }

    /// Deletes every key of this test from Redis: what a restart without persistence does.
    pub async fn empty_redis(&self) -> usize {
        let client = redis::Client::open(test_support::redis_url().expose_secret()).unwrap();
        let mut conn = client.get_multiplexed_async_connection().await.unwrap();
        let pattern = format!("{}:*", self.prefix);
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut conn).await.unwrap();
        if !keys.is_empty() {
            redis::cmd("DEL").arg(&keys).query_async::<()>(&mut conn).await.unwrap();
        }
        keys.len()
    }
}

/// A worker in this process.
pub struct Running {
    stop: Arc<Notify>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.notify_one();
        self.task.await.unwrap().unwrap();
    }
}

/// A worker process; killed when dropped, so that a failed test leaves none behind.
pub struct Process(Child);

impl Process {
    /// SIGKILL: no chance to tell anybody.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, then waits for the end.
    pub fn terminate(mut self) -> bool {
        let status = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(status.success());
        self.0.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
