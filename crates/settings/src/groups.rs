//! The settings, grouped by what they configure. Field docs state variable, default and reason; README.md has the same
//! table.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use domain::artifacts::{CacheFamily, RUNS_KEPT_DEFAULT};
use domain::jobs::Queue;
use domain::preferences::PreferenceWeights;
use domain::recommendations::{BATCH_SHARE_DEFAULT, EXPLORATION_SHARE_DEFAULT};
use domain::schedule;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::env::{Env, SettingsError};
use crate::live::{EventLogSettings, Role, SpeedSettings, WaitingSettings, days};
use crate::recommender::{ObjectStoreSettings, RecommenderSettings};

const POOL_SIZE: &str = "DATABASE_POOL_SIZE";

/// Connection settings of PostgreSQL.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `DATABASE_URL`, required: `postgres://user:password@host:port/name`.
    pub url: SecretString,
    /// `DATABASE_POOL_SIZE`, default 16. Each connection is a server process; far fewer than 16 keep two cores busy. A
    /// worker needs as many as [`WorkerSettings::job_connections`] and [`SERVICE_CONNECTIONS_MIN`] together.
    pub pool_size: u32,
    /// `DATABASE_TIMEOUT_SECONDS`, default 5: maximum time that a request waits for a connection before the answer is
    /// 503.
    pub acquire_timeout: Duration,
}

impl DatabaseSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        let name = "DATABASE_URL";
        let url: Url = env.required(name, "set it to postgres://user:password@host:port/name")?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(env.malformed(name, "must start with postgres://"));
        }
        Ok(Self {
            url: SecretString::from(url.to_string()),
            pool_size: env.within(POOL_SIZE, 16, 2..=200)?,
            acquire_timeout: Duration::from_secs(env.within("DATABASE_TIMEOUT_SECONDS", 5, 1..=60)?),
        })
    }
}

/// The durable Redis: queue and event log.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `REDIS_URL`, required: `redis://host:port/db`, append-only file on, no eviction.
    pub url: SecretString,
    /// `REDIS_PREFIX`, default `moviemetric`: first part of every key, so that several installations can share a
    /// server.
    pub prefix: String,
}

impl RedisSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        Ok(Self {
            url: redis_url(env, "REDIS_URL")?
                .ok_or(SettingsError::Missing { name: "REDIS_URL".into(), hint: "set it to redis://host:port/db" })?,
            prefix: prefix(env)?,
        })
    }
}

fn redis_url(env: &Env, name: &str) -> Result<Option<SecretString>, SettingsError> {
    let Some(url) = env.optional::<Url>(name)? else { return Ok(None) };
    if !matches!(url.scheme(), "redis" | "rediss" | "unix" | "redis+unix") {
        return Err(env.malformed(name, "must start with redis://"));
    }
    Ok(Some(SecretString::from(url.to_string())))
}

fn prefix(env: &Env) -> Result<String, SettingsError> {
    let prefix: String = env.or("REDIS_PREFIX", "moviemetric".to_owned())?;
    if prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        Ok(prefix)
    } else {
        Err(env.malformed("REDIS_PREFIX", "may hold letters, digits, - and _ only"))
    }
}

/// The two tiers of the response cache.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// `CACHE_REDIS_URL`, default `REDIS_URL`: the volatile Redis (bounded memory, allkeys-lru).
    pub url: SecretString,
    /// As [`RedisSettings::prefix`].
    pub prefix: String,
    /// `CACHE_MEMORY_MB`, default 64: size of the in-process tier.
    pub memory_bytes: u64,
    /// `CACHE_TTL_<FAMILY>` in seconds, default as in the seeds; 0 disables the family's cache.
    pub ttl: Vec<(CacheFamily, Duration)>,
    /// `CACHE_STALE_WHILE_REVALIDATE`, default 30: seconds after the TTL during which an answer is served while it is
    /// recomputed.
    pub stale_while_revalidate: Duration,
    /// `CACHE_STALE_IF_ERROR`, default 3600: seconds after the TTL during which an answer is served if recomputing
    /// fails. An hour outlasts the restart of a database.
    pub stale_if_error: Duration,
    /// `CACHE_WARM`, default 50: number of most requested answers per family that are recomputed when a run is
    /// published; 0 disables warming.
    pub warm: usize,
}

impl CacheSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        let url = match redis_url(env, "CACHE_REDIS_URL")? {
            Some(url) => url,
            None => RedisSettings::load(env)?.url,
        };
        let ttl = CacheFamily::ALL
            .into_iter()
            .map(|family| {
                let name = format!("CACHE_TTL_{}", family.as_str().to_uppercase());
                let seconds = env.within(&name, family.default_ttl_seconds(), 0..=86_400)?;
                Ok((family, Duration::from_secs(seconds)))
            })
            .collect::<Result<_, SettingsError>>()?;
        Ok(Self {
            url,
            prefix: prefix(env)?,
            memory_bytes: env.within("CACHE_MEMORY_MB", 64, 1..=65_536)? * 1024 * 1024,
            ttl,
            stale_while_revalidate: Duration::from_secs(env.within("CACHE_STALE_WHILE_REVALIDATE", 30, 0..=86_400)?),
            stale_if_error: Duration::from_secs(env.within("CACHE_STALE_IF_ERROR", 3_600, 0..=604_800)?),
            warm: env.within("CACHE_WARM", 50, 0..=1_000)?,
        })
    }

    /// Returns the TTL of a family's answers.
    pub fn ttl_of(&self, family: CacheFamily) -> Duration {
        self.ttl.iter().find(|(of, _)| *of == family).map_or(Duration::ZERO, |(_, ttl)| *ttl)
    }
}

/// How viewers' lists are mixed.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommendationSettings {
    /// What facts weigh: the same variables as the trainer's, see [`RecommenderSettings`].
    pub weights: PreferenceWeights,
    /// `RECOMMENDATION_BATCH_SHARE`, default 0.7: share of the nightly list in the blend; the rest is the real-time layer's.
    pub batch_share: f32,
    /// `RECOMMENDATION_EXPLORATION_SHARE`, default 0.1: share of places of a new viewer's list that show less known
    /// movies; 0 disables exploration.
    pub exploration_share: f32,
    /// `RECOMMENDATION_LOG_SHARE`, default 1: share of the recommended lists that are stored, so that feedback can be told
    /// from them. A list takes some 400 bytes for 90 days.
    pub log_share: f64,
}

impl Default for RecommendationSettings {
    fn default() -> Self {
        let weights = PreferenceWeights::default();
        Self { weights, batch_share: BATCH_SHARE_DEFAULT, exploration_share: EXPLORATION_SHARE_DEFAULT, log_share: 1.0 }
    }
}

impl RecommendationSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        Ok(Self {
            weights: RecommenderSettings::load(env)?.weights,
            batch_share: env.within("RECOMMENDATION_BATCH_SHARE", BATCH_SHARE_DEFAULT, 0.0..=1.0)?,
            exploration_share: env.within("RECOMMENDATION_EXPLORATION_SHARE", EXPLORATION_SHARE_DEFAULT, 0.0..=1.0)?,
            log_share: env.within("RECOMMENDATION_LOG_SHARE", 1.0, 0.0..=1.0)?,
        })
    }
}

/// Meilisearch, if it is used.
#[derive(Debug, Clone)]
pub struct MeiliSettings {
    /// `MEILI_URL`. Without it, PostgreSQL answers searches.
    pub url: Url,
    /// `MEILI_MASTER_KEY`, no default.
    pub key: Option<SecretString>,
    /// `MEILI_INDEX`, `movies`.
    pub index: String,
}

impl MeiliSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Option<Self>, SettingsError> {
        let Some(url) = env.optional::<Url>("MEILI_URL")? else { return Ok(None) };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(env.malformed("MEILI_URL", "must start with http:// or https://"));
        }
        Ok(Some(Self { url, key: env.secret("MEILI_MASTER_KEY"), index: env.or("MEILI_INDEX", "movies".to_owned())? }))
    }
}

/// The source TMDB. Without a key, ingest reads the demo world instead.
#[derive(Debug, Clone)]
pub struct TmdbSettings {
    /// `TMDB_API_KEY`: a v3 key or a v4 bearer token.
    pub key: SecretString,
    /// `TMDB_BASE_URL`, `https://api.themoviedb.org/3/`.
    pub base_url: Url,
    /// `TMDB_EXPORTS_URL`: TMDB's daily exports of ids. Default `https://files.tmdb.org/p/exports/`; where
    /// `TMDB_BASE_URL` names a stand-in, `exports/` below it, so that nothing asks TMDB behind its back.
    pub exports_url: Url,
    /// `TMDB_REQUESTS_PER_SECOND`, default 30: TMDB's limit is about 40 and is enforced by 429.
    pub requests_per_second: u32,
}

/// TMDB's own servers.
const TMDB: &str = "https://api.themoviedb.org/3/";
const TMDB_EXPORTS: &str = "https://files.tmdb.org/p/exports/";

impl TmdbSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Option<Self>, SettingsError> {
        let Some(key) = env.secret("TMDB_API_KEY") else { return Ok(None) };
        let base: String = env.or("TMDB_BASE_URL", TMDB.to_owned())?;
        // Without the slash, `join` would drop the version from the path.
        let base = if base.ends_with('/') { base } else { format!("{base}/") };
        let exports = if base == TMDB { TMDB_EXPORTS.to_owned() } else { format!("{base}exports/") };
        let exports: String = env.or("TMDB_EXPORTS_URL", exports)?;
        Ok(Some(Self {
            key,
            base_url: base.parse().map_err(|error| env.malformed("TMDB_BASE_URL", error))?,
            exports_url: exports.parse().map_err(|error| env.malformed("TMDB_EXPORTS_URL", error))?,
            requests_per_second: env.within("TMDB_REQUESTS_PER_SECOND", 30, 1..=1_000)?,
        }))
    }
}

/// Settings of the logs.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// `LOG_LEVEL`, `info`: a tracing filter such as `info,storage=debug`.
    pub filter: String,
    /// `LOG_FORMAT`: `text` (default), or `json` for one object per line.
    pub json: bool,
}

impl LogSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        let json = match env.text("LOG_FORMAT").unwrap_or("text") {
            "text" => false,
            "json" => true,
            _ => return Err(env.malformed("LOG_FORMAT", "must be text or json")),
        };
        let filter: String = env.or("LOG_LEVEL", "info".to_owned())?;
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
            return Err(env.malformed("LOG_LEVEL", error));
        }
        Ok(Self { filter, json })
    }
}

fn listen(env: &Env, host: &str, port: &str, default_port: u16) -> Result<SocketAddr, SettingsError> {
    let ip = env.or(host, IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    Ok(SocketAddr::new(ip, env.or(port, default_port)?))
}

/// The API service.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// `API_HOST`, 127.0.0.1 and `API_PORT`, 8000.
    pub listen: SocketAddr,
    /// `API_WORKERS`: number of worker threads, default one per core.
    pub workers: Option<usize>,
    /// `ADMIN_API_KEY_SHA256`: lower-case hex of the admin key's SHA-256. The key itself has 256 random bits, so a
    /// plain hash at rest is enough. Unset: `/admin/*` answers 403.
    pub admin_key_sha256: Option<[u8; 32]>,
    /// `ASSETS_DIR`, default `.local/assets`: the directory that contains ReDoc's script.
    pub assets_dir: std::path::PathBuf,
    /// `STREAMS_PER_CLIENT`, default 16: rankings that one client may follow at a time, so that nobody takes all places.
    pub streams_per_client: usize,
    /// `CLIENT_ADDRESS_HEADER`: the header to whose end the proxy in front of the API adds its client's address, such as
    /// `X-Forwarded-For`. Unset: the client is the connection's peer. Anybody can send such a header, so set it only
    /// where every request comes through the proxy.
    pub client_header: Option<String>,
    /// See [`DatabaseSettings`].
    pub database: DatabaseSettings,
    /// The Redis of the event log.
    pub redis: RedisSettings,
    /// See [`EventLogSettings`].
    pub event_log: EventLogSettings,
    /// See [`WaitingSettings`].
    pub waiting: WaitingSettings,
    /// `SPEED_LAG_LIMIT_SECONDS`, default 300: beyond this lag, answers that need the speed layer name it as stale
    /// (seed 2 promises less than five minutes).
    pub speed_lag_limit: Duration,
    /// See [`CacheSettings`].
    pub cache: CacheSettings,
    /// See [`RecommendationSettings`].
    pub recommendations: RecommendationSettings,
    /// See [`ObjectStoreSettings`].
    pub objects: ObjectStoreSettings,
    /// See [`MeiliSettings`]. With `None`, PostgreSQL answers searches.
    pub meili: Option<MeiliSettings>,
    /// See [`LogSettings`].
    pub log: LogSettings,
}

impl ApiSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        Ok(Self {
            listen: listen(env, "API_HOST", "API_PORT", 8000)?,
            workers: env.optional::<usize>("API_WORKERS")?.filter(|n| *n > 0),
            admin_key_sha256: env
                .text("ADMIN_API_KEY_SHA256")
                .map(|text| {
                    sha256_from_hex(text).ok_or_else(|| env.malformed("ADMIN_API_KEY_SHA256", "must be 64 hex digits"))
                })
                .transpose()?,
            assets_dir: env.or("ASSETS_DIR", ".local/assets".into())?,
            streams_per_client: env.within("STREAMS_PER_CLIENT", 16, 1..=1_000)?,
            client_header: env.text("CLIENT_ADDRESS_HEADER").map(str::to_owned),
            database: DatabaseSettings::load(env)?,
            redis: RedisSettings::load(env)?,
            event_log: EventLogSettings::load(env)?,
            waiting: WaitingSettings::load(env)?,
            speed_lag_limit: Duration::from_secs(env.within("SPEED_LAG_LIMIT_SECONDS", 300, 1..=86_400)?),
            cache: CacheSettings::load(env)?,
            recommendations: RecommendationSettings::load(env)?,
            objects: ObjectStoreSettings::load(env)?,
            meili: MeiliSettings::load(env)?,
            log: LogSettings::load(env)?,
        })
    }
}

fn sha256_from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Connections of a worker beside those of its jobs, at least: one listens for new jobs, the others serve heartbeats,
/// the dispatcher and the speed layer.
pub const SERVICE_CONNECTIONS_MIN: u32 = 3;

/// The worker service.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// `WORKER_HOST`, 127.0.0.1 and `WORKER_METRICS_PORT`, 9101: `/metrics`, `/health/live` and `/health/ready`.
    pub metrics: SocketAddr,
    /// `WORKER_ROLES`, default `jobs,speed`: the roles of this process. Each role can have processes of its own.
    pub roles: Vec<Role>,
    /// `WORKER_CONCURRENCY_<QUEUE>`: number of concurrent jobs of that queue.
    pub concurrency: Vec<(Queue, usize)>,
    /// `WORKER_DRAIN_SECONDS`, default 25: time that running jobs have to finish after SIGTERM; less than Kubernetes'
    /// 30.
    pub drain: Duration,
    /// `WORKER_TIMEOUT_SECONDS`, no default: upper bound of every attempt, in addition to the time-out in the job's
    /// definition (`domain::jobs::Definition`).
    pub timeout: Option<Duration>,
    /// `ARTIFACT_RUNS_KEPT`, 7.
    pub runs_kept: u32,
    /// `REFRESH_POPULAR_MOVIES`, default 1,000: number of most popular movies that are observed every hour. TMDB lists
    /// 20 per page, so the default takes 50 requests; [`MAX_REFRESHED`] is the maximum.
    pub refresh_popular_movies: u32,
    /// `JOBS_KEPT_DAYS`, 30: finished ledger rows older than this are deleted.
    pub jobs_kept_days: u32,
    /// See [`DemoSettings`].
    pub demo: DemoSettings,
    /// See [`EventLogSettings`].
    pub event_log: EventLogSettings,
    /// See [`WaitingSettings`].
    pub waiting: WaitingSettings,
    /// `QUARANTINE_DAYS`, default 90: a quarantined record that no source has delivered for this long is deleted.
    pub quarantine_kept: Duration,
    /// See [`SpeedSettings`].
    pub speed: SpeedSettings,
    /// See [`DatabaseSettings`].
    pub database: DatabaseSettings,
    /// See [`RedisSettings`].
    pub redis: RedisSettings,
    /// See [`ObjectStoreSettings`].
    pub objects: ObjectStoreSettings,
    /// See [`RecommenderSettings`].
    pub recommender: RecommenderSettings,
    /// See [`MeiliSettings`]. With `None`, PostgreSQL answers searches.
    pub meili: Option<MeiliSettings>,
    /// `SEARCH_CHECK_SECONDS`, 300: how often the search index is compared with the catalogue.
    pub search_check: Duration,
    /// See [`TmdbSettings`]. With `None`, ingest keeps the demo world current.
    pub tmdb: Option<TmdbSettings>,
    /// See [`LogSettings`].
    pub log: LogSettings,
}

/// Maximum of `REFRESH_POPULAR_MOVIES`: TMDB's lists end at page 500, with 20 movies each.
const MAX_REFRESHED: u32 = 10_000;

/// Which demo world ingest keeps current if there is no TMDB key. Its size is stored by `moviemetric demo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoSettings {
    /// `DEMO_SEED`, 42.
    pub seed: u64,
}

impl WorkerSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        let concurrency = Queue::ALL
            .into_iter()
            .map(|queue| {
                let name = format!("WORKER_CONCURRENCY_{}", queue.as_str().to_uppercase());
                Ok((queue, env.within(&name, queue.default_concurrency(), 1..=64)?))
            })
            .collect::<Result<_, SettingsError>>()?;
        let settings = Self {
            metrics: listen(env, "WORKER_HOST", "WORKER_METRICS_PORT", 9101)?,
            roles: Role::load(env)?,
            concurrency,
            drain: Duration::from_secs(env.within("WORKER_DRAIN_SECONDS", 25, 0..=3_600)?),
            timeout: env
                .optional("WORKER_TIMEOUT_SECONDS")?
                .map(|seconds: u32| match seconds {
                    0 => Err(env.malformed("WORKER_TIMEOUT_SECONDS", "must be at least 1")),
                    seconds => Ok(Duration::from_secs(seconds.into())),
                })
                .transpose()?,
            runs_kept: env.within("ARTIFACT_RUNS_KEPT", RUNS_KEPT_DEFAULT, 1..=1_000)?,
            refresh_popular_movies: env.within("REFRESH_POPULAR_MOVIES", 1_000, 20..=MAX_REFRESHED)?,
            jobs_kept_days: env.within("JOBS_KEPT_DAYS", 30, 8..=3_650)?,
            demo: DemoSettings { seed: env.or("DEMO_SEED", 42)? },
            event_log: EventLogSettings::load(env)?,
            waiting: WaitingSettings::load(env)?,
            quarantine_kept: days(env.within("QUARANTINE_DAYS", 90, 1..=3_650)?),
            speed: SpeedSettings::load(env)?,
            database: DatabaseSettings::load(env)?,
            redis: RedisSettings::load(env)?,
            objects: ObjectStoreSettings::load(env)?,
            recommender: RecommenderSettings::load(env)?,
            meili: MeiliSettings::load(env)?,
            search_check: Duration::from_secs(env.within("SEARCH_CHECK_SECONDS", 300, 1..=86_400)?),
            tmdb: TmdbSettings::load(env)?,
            log: LogSettings::load(env)?,
        };
        let needed = settings.job_connections() + SERVICE_CONNECTIONS_MIN;
        if settings.roles.contains(&Role::Jobs) && settings.database.pool_size < needed {
            let reason = format!(
                "must be at least {needed}: {} for the jobs that WORKER_CONCURRENCY_* lets run at once, \
                 {SERVICE_CONNECTIONS_MIN} for the worker itself; raise it, or lower the concurrency",
                settings.job_connections(),
            );
            return Err(env.malformed(POOL_SIZE, reason));
        }
        Ok(settings)
    }

    /// Number of connections that the jobs of this process use at once.
    pub fn job_connections(&self) -> u32 {
        let of = |(queue, jobs): &(Queue, usize)| queue.connections() * u32::try_from(*jobs).unwrap_or(u32::MAX);
        if self.roles.contains(&Role::Jobs) { self.concurrency.iter().map(of).sum() } else { 0 }
    }
}

/// The scheduler service.
#[derive(Debug, Clone)]
pub struct SchedulerSettings {
    /// `SCHEDULER_HOST`, 127.0.0.1 and `SCHEDULER_METRICS_PORT`, 9102: as the worker's.
    pub metrics: SocketAddr,
    /// `SCHEDULE_<NAME>`: six-field cron in UTC, or `off`. Contains only the changed lines, by name.
    pub overrides: Vec<(&'static str, String)>,
    /// See [`DatabaseSettings`].
    pub database: DatabaseSettings,
    /// See [`LogSettings`].
    pub log: LogSettings,
}

impl SchedulerSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        Ok(Self {
            metrics: listen(env, "SCHEDULER_HOST", "SCHEDULER_METRICS_PORT", 9102)?,
            overrides: Self::load_overrides(env),
            database: DatabaseSettings::load(env)?,
            log: LogSettings::load(env)?,
        })
    }

    /// Reads the schedule lines that `SCHEDULE_<NAME>` changes. It needs no database, so that `--list` works anywhere.
    pub fn load_overrides(env: &Env) -> Vec<(&'static str, String)> {
        schedule::lines()
            .filter_map(|line| Some((line.name, env.text(&Self::variable(line.name))?.to_owned())))
            .collect()
    }

    /// Returns the variable of a schedule line: `genre-stats` -> `SCHEDULE_GENRE_STATS`.
    pub fn variable(name: &str) -> String {
        format!("SCHEDULE_{}", name.to_uppercase().replace('-', "_"))
    }
}

impl DatabaseSettings {
    /// Exposes the URL, for the one place that connects.
    pub fn expose_url(&self) -> &str {
        self.url.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 2] = [("DATABASE_URL", "postgres://u:p@h/d"), ("REDIS_URL", "redis://h")];

    fn api(extra: &[(&str, &str)]) -> Result<ApiSettings, SettingsError> {
        ApiSettings::load(&Env::of(GOOD.into_iter().chain(extra.iter().copied())))
    }

    #[test]
    fn the_defaults_are_enough_beside_the_two_urls() {
        let settings = api(&[]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8000");
        assert!(settings.meili.is_none() && settings.admin_key_sha256.is_none());
    }

    #[test]
    fn what_is_missing_or_malformed_is_named_in_one_line() {
        let missing = ApiSettings::load(&Env::of([])).unwrap_err().to_string();
        assert!(missing.contains("DATABASE_URL"), "{missing}");
        for (name, value) in [
            ("DATABASE_URL", "mysql://x"),
            ("DATABASE_POOL_SIZE", "many"),
            ("REDIS_URL", "http://x"),
            ("API_PORT", "70000"),
            ("CACHE_TTL_MOVIES", "-1"),
            ("MEILI_URL", "not a url"),
            ("ADMIN_API_KEY_SHA256", "abc"),
            ("LOG_FORMAT", "xml"),
            ("REDIS_PREFIX", "a b"),
        ] {
            let error = api(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_workers_pool_holds_the_connections_of_all_its_jobs() {
        let worker = |extra: &[(&str, &str)]| {
            WorkerSettings::load(&Env::of(GOOD.into_iter().chain(extra.iter().copied()))).map(|s| s.job_connections())
        };
        assert_eq!(worker(&[]), Ok(9));
        let one_each = [("WORKER_CONCURRENCY_COMPUTE", "1"), ("WORKER_CONCURRENCY_MAINTENANCE", "1")];
        assert_eq!(worker(&[one_each[0], one_each[1], ("DATABASE_POOL_SIZE", "7")]), Ok(4));
        let error = worker(&[one_each[0], one_each[1], ("DATABASE_POOL_SIZE", "6")]).unwrap_err().to_string();
        assert!(error.contains("DATABASE_POOL_SIZE") && error.contains("at least 7"), "{error}");
        assert_eq!(worker(&[("WORKER_ROLES", "speed"), ("DATABASE_POOL_SIZE", "2")]), Ok(0), "no jobs, no connections");
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let shown = format!("{:?}", api(&[("MEILI_URL", "http://m"), ("MEILI_MASTER_KEY", "hush")]).unwrap());
        assert!(!shown.contains("hush") && !shown.contains("u:p"), "{shown}");
    }
}
