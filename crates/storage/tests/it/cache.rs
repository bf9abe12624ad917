//! The shared cache against a real Redis.

use std::time::Duration;

use storage::cache::RedisCache;

const HOUR: Duration = Duration::from_secs(3_600);

fn cache() -> RedisCache {
    RedisCache::new(&test_support::cache_redis_url(), &test_support::unique_prefix()).unwrap()
}

#[tokio::test]
async fn an_entry_is_read_as_it_was_written_by_nobody_but_its_owner() {
    let cache = cache();
    assert_eq!(cache.get("movies:1").await.unwrap(), None);
    let bytes: Vec<u8> = (0..=255).collect();
    cache.set("movies:1", &bytes, HOUR).await.unwrap();
    assert_eq!(cache.get("movies:1").await.unwrap(), Some(bytes));
    assert_eq!(self::cache().get("movies:1").await.unwrap(), None, "another installation");
    assert_eq!(cache.remove_under("").await.unwrap(), 1);
}

#[tokio::test]
async fn an_entry_is_gone_when_its_time_is_over_even_if_that_was_zero() {
    let cache = cache();
    cache.set("brief", b"x", Duration::ZERO).await.unwrap();
    test_support::eventually("the entry expired", Duration::from_secs(5), async || {
        cache.get("brief").await.unwrap().is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn many_entries_go_in_one_round_trip_each_with_its_own_time() {
    let cache = cache();
    let entries = [("a", &b"1"[..], HOUR), ("b", b"2", Duration::from_millis(1)), ("c", b"3", HOUR)];
    cache.set_many(entries).await.unwrap();
    cache.set_many([]).await.unwrap();
    test_support::eventually("the brief entry expired", Duration::from_secs(5), async || {
        cache.get("b").await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(cache.get("c").await.unwrap().as_deref(), Some(&b"3"[..]));
    assert_eq!(cache.remove_under("").await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_removed_is_what_lies_under_the_prefix_and_nothing_that_it_could_mean_as_a_pattern() {
    let cache = cache();
    // More than one step of the scan.
    let keys: Vec<String> = (0..2_500).map(|n| format!("search:{n}")).collect();
    cache.set_many(keys.iter().map(|key| (key.as_str(), &b"x"[..], HOUR))).await.unwrap();
    for key in ["searching", "movies:search:1", "*:1", "[ab]:1", "a:1"] {
        cache.set(key, b"x", HOUR).await.unwrap();
    }
    assert_eq!(cache.remove_under("search:").await.unwrap(), 2_500);
    assert_eq!(cache.remove_under("[ab]:").await.unwrap(), 1);
    assert_eq!(cache.remove_under("*:").await.unwrap(), 1);
    assert!(cache.get("a:1").await.unwrap().is_some() && cache.get("searching").await.unwrap().is_some());
    assert_eq!(cache.remove_under("").await.unwrap(), 3);
}

#[tokio::test]
async fn the_server_tells_its_policy_and_its_number_of_keys() {
    let cache = cache();
    cache.set("key", b"x", HOUR).await.unwrap();
    let server = cache.server().await.unwrap();
    assert!(server.total_keys >= 1 && !server.maxmemory_policy.is_empty() && !server.latency.is_zero(), "{server:?}");
    cache.remove_under("").await.unwrap();
}
