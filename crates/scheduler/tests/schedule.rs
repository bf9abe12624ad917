//! The schedule against a real ledger.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::jobs::JobKind;
use scheduler::Application;
use scheduler::table::Line;
use sqlx::PgPool;

fn line(cron: &str) -> Line {
    Line::new("probe", JobKind::Probe, "a test", cron).unwrap()
}

async fn keys(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT idempotency_key FROM jobs ORDER BY 1").fetch_all(pool).await.unwrap()
}

async fn stop_after(seconds: u64) -> std::io::Result<()> {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok(())
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn two_schedulers_enqueue_each_tick_once(pool: PgPool) {
    let run = || Application::over(pool.clone(), vec![line("* * * * * *")]).run_until(stop_after(4));
    let (a, b) = tokio::join!(run(), run());
    a.unwrap();
    b.unwrap();
    let by_line: Vec<(String, i64)> =
        sqlx::query_as("SELECT requested_by, count(*) FROM jobs GROUP BY 1").fetch_all(&pool).await.unwrap();
    // Four seconds hold three to five ticks; both schedulers saw each, so twice that would be the failure.
    assert_eq!(by_line.len(), 1);
    assert!((3..=5).contains(&by_line[0].1), "{by_line:?}");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_tick_missed_while_down_is_caught_up_once(pool: PgPool) {
    let hourly = || Application::over(pool.clone(), vec![line("0 0 * * * *")]);
    // The line was known a day ago, so the ticks since were missed; only the last one counts.
    sqlx::query("INSERT INTO schedules VALUES ('probe', $1)")
        .bind(Utc::now() - TimeDelta::days(1))
        .execute(&pool)
        .await
        .unwrap();
    hourly().catch_up().await;
    hourly().catch_up().await;
    let last = line("0 0 * * * *").last(Utc::now()).unwrap();
    let keys = keys(&pool).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(keys[0].starts_with(&format!("schedule:probe:{}", last.format("%Y-%m-%dT%H:00"))), "{keys:?}");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_new_installation_has_missed_nothing(pool: PgPool) {
    Application::over(pool.clone(), vec![line("0 0 * * * *")]).catch_up().await;
    assert_eq!(keys(&pool).await, Vec::<String>::new());
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_tick_missed_while_the_database_is_away_is_caught_up_when_it_is_back(pool: PgPool) {
    let url = test_support::database_url(&pool);
    let proxy = test_support::proxy::Proxy::before(&url).await;
    let through = storage::postgres::connect(&proxy.url(&url), 2, Duration::from_secs(1), true).await.unwrap();
    let soon = Utc::now() + TimeDelta::seconds(4);
    let cron = soon.format("%S %M %H * * *").to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(Application::over(through, vec![line(&cron)]).run_until(async move {
        let _ = stopped.await;
        Ok(())
    }));
    test_support::eventually("the line is known", Duration::from_secs(4), async || {
        let known: i64 = sqlx::query_scalar("SELECT count(*) FROM schedules").fetch_one(&pool).await.unwrap();
        (known == 1).then_some(())
    })
    .await;
    proxy.cut();
    let until_missed = (soon + TimeDelta::seconds(3) - Utc::now()).to_std().unwrap_or_default();
    tokio::time::sleep(until_missed).await;
    assert_eq!(keys(&pool).await, Vec::<String>::new(), "it could not be enqueued");
    proxy.mend();
    let caught = test_support::eventually("the tick is caught up", Duration::from_secs(20), async || {
        Some(keys(&pool).await).filter(|keys| !keys.is_empty())
    })
    .await;
    assert_eq!(caught, [format!("schedule:probe:{}", soon.format("%Y-%m-%dT%H:%M:%SZ"))]);
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
