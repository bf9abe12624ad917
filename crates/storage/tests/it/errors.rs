//! What a failing server makes of [`StorageError`], asked of real servers.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use storage::cache::RedisCache;
use storage::postgres::{self, health};
use storage::queue::JobQueue;
use storage::search_index::SearchIndex;
use storage::{StorageError, Store};
use test_support::proxy::Proxy;
use url::Url;

/// Port 9 (discard) refuses.
const CLOSED: &str = "127.0.0.1:9";

fn code(error: &StorageError) -> Option<String> {
    match error {
        StorageError::Database(sqlx::Error::Database(db)) => Some(db.code()?.into_owned()),
        _ => None,
    }
}

async fn refused(url: &str) -> StorageError {
    postgres::connect(url, 1, Duration::from_secs(2), false).await.unwrap_err()
}

#[sqlx::test(migrations = false)]
async fn a_database_that_is_away_or_does_not_let_us_in_is_transient(pool: PgPool) {
    let error = refused(&format!("postgres://somebody@{CLOSED}/somewhere")).await;
    assert!(matches!(error, StorageError::Database(sqlx::Error::Io(_))) && error.is_transient(), "{error:?}");

    let url = test_support::database_url(&pool);
    let mut wrong_password: Url = url.parse().unwrap();
    wrong_password.set_password(Some("wrong")).unwrap();
    let error = refused(wrong_password.as_str()).await;
    // A server that trusts local connections lets anybody in with any password, but nobody without a role.
    let mut nobody = wrong_password;
    nobody.set_username("nobody-of-that-name").unwrap();
    for error in [error, refused(nobody.as_str()).await] {
        assert!(code(&error).is_some_and(|code| code.starts_with("28")) && error.is_transient(), "{error:?}");
        assert!(!error.to_string().contains("wrong"), "no password in {error}");
    }

    let mut elsewhere: Url = url.parse().unwrap();
    elsewhere.set_path("no-such-database");
    let error = refused(elsewhere.as_str()).await;
    assert!(code(&error).as_deref() == Some("3D000") && error.is_transient(), "{error:?}");
}

#[sqlx::test(migrations = false)]
async fn a_statement_that_takes_too_long_and_a_killed_backend_are_transient_and_a_wrong_statement_is_not(pool: PgPool) {
    let mut conn = pool.acquire().await.unwrap();
    sqlx::query("SET statement_timeout = '20ms'").execute(&mut *conn).await.unwrap();
    let slow: StorageError = sqlx::query("SELECT pg_sleep(5)").execute(&mut *conn).await.unwrap_err().into();
    assert!(code(&slow).as_deref() == Some("57014") && slow.is_transient(), "{slow:?}");

    sqlx::query("SET statement_timeout = 0").execute(&mut *conn).await.unwrap();
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *conn).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend($1, 5000)").bind(backend).execute(&pool).await.unwrap();
    let killed: StorageError = sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap_err().into();
    assert!(killed.is_transient(), "{killed:?}");

    for (statement, expected) in [("SELEC", "42601"), ("SELECT * FROM nowhere", "42P01"), ("SELECT 1 / 0", "22012")] {
        let error: StorageError = sqlx::query(statement).execute(&pool).await.unwrap_err().into();
        assert!(code(&error).as_deref() == Some(expected) && !error.is_transient(), "{error:?}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_pool_without_a_free_connection_times_out(pool: PgPool) {
    // Long enough for a first connection on a busy machine.
    let url = test_support::database_url(&pool);
    let small = postgres::connect(&url, 1, Duration::from_secs(2), true).await.unwrap();
    let _taken = small.acquire().await.unwrap();
    let error = health::check(&small).await.unwrap_err();
    assert!(matches!(error, StorageError::Database(sqlx::Error::PoolTimedOut)) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_named_with_its_store_and_without_its_password() {
    let pool = postgres::connect_for_requests("postgres://u:hunter2@localhost:port/db", 1, Duration::from_secs(1));
    let wrong = SecretString::from("redis://:hunter2@localhost:port");
    let queue = JobQueue::connect(&wrong, "test").await.map(drop);
    let cache = RedisCache::new(&wrong, "test").map(drop);
    let lazy = postgres::connect_for_requests("postgres://localhost/db", 1, Duration::from_secs(1)).unwrap();
    let search = SearchIndex::new(lazy, Some(("http://:hunter2@:7700", None, "movies"))).map(drop);
    for (expected, result) in [
        (Store::Postgres, pool.map(drop)),
        (Store::Redis, queue),
        (Store::CacheRedis, cache),
        (Store::Meilisearch, search),
    ] {
        let error = result.unwrap_err();
        assert!(
            matches!(error, StorageError::Configuration { store, .. } if store == expected) && !error.is_transient(),
            "{error:?}"
        );
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_cache_that_hangs_is_given_up_in_time_and_named() {
    // A listener that takes connections and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let start = Instant::now();
    let error = RedisCache::new(&url.into(), "test").unwrap().get("key").await.unwrap_err();
    let StorageError::TimedOut { store: Store::CacheRedis, after } = error else { panic!("{error:?}") };
    assert_eq!(after, storage::cache::TIMEOUT);
    assert!(start.elapsed() < after * 10, "{:?}", start.elapsed());
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_redis_that_is_away_or_refuses_the_password_is_transient_and_a_wrong_command_is_not() {
    let error = RedisCache::new(&format!("redis://{CLOSED}").into(), "test").unwrap().get("key").await.unwrap_err();
    assert!(matches!(error, StorageError::Redis(_)) && error.is_transient(), "{error:?}");

    let url = test_support::cache_redis_url();
    let client = redis::Client::open(url.expose_secret()).unwrap();
    let mut conn = client.get_multiplexed_async_connection().await.unwrap();
    let key = test_support::unique_prefix();
    redis::cmd("SET").arg(&key).arg("text").query_async::<()>(&mut conn).await.unwrap();
    let mut failure = async |name: &str, argument: &str| -> StorageError {
        redis::cmd(name).arg(&key).arg(argument).query_async::<String>(&mut conn).await.unwrap_err().into()
    };
    for error in [failure("LPUSH", "wrong type").await, failure("NO-SUCH-COMMAND", "").await] {
        assert!(!error.is_transient(), "{error:?}");
    }
    redis::cmd("DEL").arg(&key).query_async::<()>(&mut conn).await.unwrap();

    let mut wrong: Url = url.expose_secret().parse().unwrap();
    wrong.set_username("nobody-of-that-name").unwrap();
    wrong.set_password(Some("wrong")).unwrap();
    let error = RedisCache::new(&wrong.to_string().into(), "test").unwrap().get("key").await.unwrap_err();
    assert!(matches!(error, StorageError::Redis(_)) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_queue_whose_redis_dies_says_redis_and_not_queue() {
    let url = test_support::redis_url();
    let proxy = Proxy::before(url.expose_secret()).await;
    let queue =
        JobQueue::connect(&proxy.url(url.expose_secret()).into(), &test_support::unique_prefix()).await.unwrap();
    proxy.cut();
    let error = queue.push(domain::jobs::Queue::Compute, &[domain::JobId::new()]).await.unwrap_err();
    assert!(matches!(error, StorageError::Redis(_)) && error.is_transient(), "{error:?}");
}
