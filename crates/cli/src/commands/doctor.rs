//! `moviemetric doctor`: checks every dependency and says how to repair what is wrong.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use domain::artifacts::Artifact;
use domain::jobs::{JobKind, JobStatus};
use settings::{
    CacheSettings, DatabaseSettings, Env, EventLogSettings, MeiliSettings, RedisSettings, TmdbSettings, WaitingSettings,
};
use sqlx::PgPool;
use storage::cache::RedisCache;
use storage::event_log::{self, Backlog, Durability, EventLogConfig};
use storage::postgres::jobs::{self, NewJob};
use storage::postgres::{self, health};
use storage::queue::JobQueue;
use storage::search_index::SearchIndex;

use super::CommandResult;

/// The result of a check: fine, works but should be changed, or broken; with a sentence for the operator.
enum Finding {
    Fine(String),
    Weak(String),
    Broken(String),
}

use Finding::{Broken, Fine, Weak};

/// Ids shown of the unknown movies for which no more facts can wait.
const FULL_MOVIES_SHOWN: usize = 5;

/// Time limit of the probe job, from the ledger to a worker and back.
const PROBE_TIMEOUT: Duration = Duration::from_secs(15);

pub(crate) async fn run() -> CommandResult {
    let env = Env::process();
    let mut broken = 0;
    let mut report = |name: &str, findings: Vec<Finding>| {
        for finding in findings {
            let (mark, text) = match finding {
                Fine(text) => ("ok     ", text),
                Weak(text) => ("weak   ", text),
                Broken(text) => {
                    broken += 1;
                    ("BROKEN ", text)
                }
            };
            println!("{mark} {name:<12} {text}");
        }
    };
    let pool = match DatabaseSettings::load(&env) {
        Err(error) => {
            report("PostgreSQL", vec![Broken(error.to_string())]);
            None
        }
        Ok(settings) => match postgres::connect(settings.expose_url(), 2, settings.acquire_timeout, false).await {
            Ok(pool) => Some(pool),
            Err(error) => {
                let text = format!("{error}; is the server running, and is DATABASE_URL right?");
                report("PostgreSQL", vec![Broken(text)]);
                None
            }
        },
    };
    if let Some(pool) = &pool {
        report("PostgreSQL", database(pool).await);
        report("artifacts", artifacts(pool).await);
    }
    report("queue", queue(&env).await);
    report("event log", event_log(&env).await);
    if let Some(pool) = &pool {
        report("dead letters", dead_letters(pool).await);
        report("waiting", waiting(&env, pool).await);
    }
    report("cache", cache(&env).await);
    if let Some(pool) = &pool {
        report("search", search(&env, pool).await);
    }
    report("TMDB", tmdb(&env));
    if let Some(pool) = &pool {
        report("worker", worker(pool).await);
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn database(pool: &PgPool) -> Vec<Finding> {
    let mut findings = Vec::new();
    match health::check(pool).await {
        Ok(found) => {
            let major: u32 = found.version.split('.').next().and_then(|v| v.parse().ok()).unwrap_or(0);
            let text = format!("version {}, answers in {:?}", found.version, found.latency);
            findings.push(if major >= 15 { Fine(text) } else { Broken(format!("{text}; 15 or newer is needed")) });
        }
        Err(error) => findings.push(Broken(error.to_string())),
    }
    match health::migrations_pending(pool).await {
        Ok(0) => findings.push(Fine("schema up to date".into())),
        Ok(n) => findings.push(Broken(format!("{n} migrations are pending; run `moviemetric migrate`"))),
        Err(error) => findings.push(Broken(error.to_string())),
    }
    findings
}

async fn artifacts(pool: &PgPool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for artifact in Artifact::ALL {
        let name = artifact.as_str();
        findings.push(match postgres::artifacts::head(pool, artifact).await {
            Ok(Some(head)) => Fine(format!("{name}: {} rows as of {}", head.row_count, head.as_of)),
            Ok(None) if artifact == Artifact::BatchRecommendations => {
                Weak(format!("{name} was never published; run `moviemetric enqueue train-recommender --wait`"))
            }
            Ok(None) => Weak(format!("{name} was never published; run `moviemetric enqueue compute-all --wait`")),
            Err(error) => Broken(format!("{name}: {error}")),
        });
    }
    findings
}

async fn queue(env: &Env) -> Vec<Finding> {
    let settings = match RedisSettings::load(env) {
        Ok(settings) => settings,
        Err(error) => return vec![Broken(error.to_string())],
    };
    let connect =
        tokio::time::timeout(Duration::from_secs(3), JobQueue::connect(&settings.url, &settings.prefix)).await;
    let queue = match connect {
        Ok(Ok(queue)) => queue,
        Ok(Err(error)) => return vec![Broken(format!("{error}; is the server running, and is REDIS_URL right?"))],
        Err(_) => return vec![Broken("no answer within 3 s; is the server running, and is REDIS_URL right?".into())],
    };
    match queue.eviction_policy().await {
        Err(error) => vec![Weak(format!("reachable, but its settings cannot be read: {error}"))],
        // The volatile-* policies evict only keys with a TTL, and the queue's keys have none.
        Ok(policy) if policy == "noeviction" || policy.starts_with("volatile-") => vec![Fine("reachable".into())],
        Ok(policy) => vec![
            Fine("reachable".into()),
            Broken(format!(
                "maxmemory-policy is {policy}: it may evict jobs; set noeviction, or volatile-lru if it is the cache too"
            )),
        ],
    }
}

/// Checks whether events that the API accepted survive a restart of Redis.
async fn event_log(env: &Env) -> Vec<Finding> {
    let (redis, log) = match (RedisSettings::load(env), EventLogSettings::load(env)) {
        (Ok(redis), Ok(log)) => (redis, log),
        (Err(error), _) | (_, Err(error)) => return vec![Broken(error.to_string())],
    };
    let (url, capacity) = (log.url(&redis).clone(), log.capacity);
    let log = match event_log::open(&EventLogConfig { url, prefix: redis.prefix, capacity }) {
        Ok(log) => log,
        Err(error) => return vec![Broken(error.to_string())],
    };
    let waiting = match log.backlog().await {
        Ok(Backlog { waiting, lag: Some(lag) }) => Fine(format!("{waiting} events wait, the oldest for {lag:?}")),
        Ok(_) => Fine("no event waits".into()),
        Err(error) => return vec![Broken(format!("{error}; is the server running, and is REDIS_URL right?"))],
    };
    let durability = match log.durability().await {
        Err(error) => Weak(format!(
            "its durability cannot be read: {error}; where it is Redis, see to appendonly yes, appendfsync always"
        )),
        Ok(Durability::Durable) => Fine("what was accepted is on disk".into()),
        // A log that can lose its last second is weak; one that loses everything at a restart is broken.
        Ok(Durability::LosesSeconds(advice)) => Weak(advice),
        Ok(Durability::LosesAll(advice)) => Broken(advice),
    };
    vec![waiting, durability]
}

async fn dead_letters(pool: &PgPool) -> Vec<Finding> {
    vec![match postgres::facts::dead_letters::count(pool).await {
        Ok(0) => Fine("none".into()),
        Ok(n) => Weak(format!("{n} events are dead letters; see `moviemetric dead-letters list` for the reasons")),
        Err(error) => Broken(error.to_string()),
    }]
}

/// Checks whether facts wait for movies that do not come, and whether there is room for more.
async fn waiting(env: &Env, pool: &PgPool) -> Vec<Finding> {
    let limits = match WaitingSettings::load(env) {
        Ok(limits) => limits,
        Err(error) => return vec![Broken(error.to_string())],
    };
    let room = match postgres::facts::waiting::room(pool, limits.per_movie).await {
        Ok(room) => room,
        Err(error) => return vec![Broken(error.to_string())],
    };
    let Some(oldest) = room.oldest else { return vec![Fine("no fact waits for an unknown movie".into())] };
    let text = format!(
        "{} facts about {} unknown movies wait, the oldest since {}; {} of {} units are taken",
        room.facts,
        room.movies,
        oldest.format("%Y-%m-%d %H:%M"),
        room.units,
        limits.total
    );
    let mut findings = vec![if room.units < limits.total {
        Fine(text)
    } else {
        Weak(format!("{text}, so the API refuses more: ingest the movies, or raise WAITING_TOTAL"))
    }];
    if !room.full.is_empty() {
        let some: Vec<String> = room.full.iter().take(FULL_MOVIES_SHOWN).map(i64::to_string).collect();
        let text = format!("{} movies have no room for more facts, among them {}", room.full.len(), some.join(", "));
        findings.push(Weak(format!("{text}: ingest them, or raise WAITING_PER_MOVIE")));
    }
    findings
}

async fn cache(env: &Env) -> Vec<Finding> {
    let (settings, queue) = match (CacheSettings::load(env), RedisSettings::load(env)) {
        (Ok(cache), Ok(queue)) => (cache, queue),
        (Err(error), _) | (_, Err(error)) => return vec![Broken(error.to_string())],
    };
    let shared = {
        use secrecy::ExposeSecret;
        settings.url.expose_secret() == queue.url.expose_secret()
    };
    let server = match RedisCache::new(&settings.url, &settings.prefix) {
        Ok(cache) => cache.server().await,
        Err(error) => return vec![Broken(error.to_string())],
    };
    match server {
        Err(error) => vec![Weak(format!("{error}; answers are served uncached until CACHE_REDIS_URL is reachable"))],
        Ok(server) => {
            let policy = server.maxmemory_policy;
            let text = format!("{} keys, {policy}, answers in {:?}", server.total_keys, server.latency);
            let good = if shared { policy.starts_with("volatile-") } else { policy.starts_with("allkeys-") };
            vec![match (good, shared) {
                (true, _) => Fine(text),
                (false, true) => Weak(format!(
                    "{text}; queue and cache share a server, which is safe only under a volatile-* policy with maxmemory set"
                )),
                (false, false) => Weak(format!("{text}; set maxmemory and maxmemory-policy allkeys-lru")),
            }]
        }
    }
}

async fn search(env: &Env, pool: &PgPool) -> Vec<Finding> {
    let settings = match MeiliSettings::load(env) {
        Ok(Some(settings)) => settings,
        Ok(None) => return vec![Fine("PostgreSQL answers searches (MEILI_URL is not set)".into())],
        Err(error) => return vec![Broken(error.to_string())],
    };
    let index =
        SearchIndex::new(pool.clone(), Some((settings.url.as_str(), settings.key.as_ref(), settings.index.as_str())));
    let index = match index {
        Ok(index) => index,
        Err(error) => return vec![Broken(format!("{error}; check MEILI_URL and MEILI_MASTER_KEY"))],
    };
    let Some(meilisearch) = index.meilisearch() else { return Vec::new() };
    match (meilisearch.version().await, meilisearch.document_count().await) {
        (Ok(version), Ok(Some(documents))) => vec![Fine(format!("Meilisearch {version}, {documents} movies"))],
        (Ok(version), Ok(None)) => {
            vec![Weak(format!("Meilisearch {version} has no index yet; run `moviemetric enqueue search-index --wait`"))]
        }
        (Err(error), _) | (_, Err(error)) => {
            vec![Weak(format!("{error}; PostgreSQL answers meanwhile. Check MEILI_URL and MEILI_MASTER_KEY"))]
        }
    }
}

fn tmdb(env: &Env) -> Vec<Finding> {
    match TmdbSettings::load(env) {
        Ok(Some(settings)) => vec![Fine(format!("a key is set; ingest reads {}", settings.base_url))],
        Ok(None) => vec![Fine("TMDB_API_KEY is not set: ingest keeps the demo world current".into())],
        Err(error) => vec![Broken(error.to_string())],
    }
}

/// Sends a job through the whole chain: ledger, dispatcher, Redis, apalis, runner, ledger.
async fn worker(pool: &PgPool) -> Vec<Finding> {
    let probe = async {
        let mut conn = pool.acquire().await.map_err(storage::StorageError::from)?;
        let (job, _) = jobs::enqueue(&mut conn, NewJob::of(JobKind::Probe, "doctor")).await?;
        let start = Instant::now();
        while start.elapsed() < PROBE_TIMEOUT {
            match jobs::get(&mut conn, job.id).await? {
                Some(job) if job.status == JobStatus::Succeeded => return Ok(Some(start.elapsed())),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        jobs::cancel(&mut conn, job.id).await?;
        Ok::<_, storage::StorageError>(None)
    };
    vec![match probe.await {
        Ok(Some(took)) => Fine(format!("a probe job went through in {took:?}")),
        Ok(None) => Broken(format!(
            "no worker took a probe job within {PROBE_TIMEOUT:?}; start one, with the same DATABASE_URL, REDIS_URL and REDIS_PREFIX"
        )),
        Err(error) => Broken(error.to_string()),
    }]
}
