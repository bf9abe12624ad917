//! `moviemetric` as people run it: a process, its output, its exit code.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "cli/recommender.rs"]
mod recommender;
#[path = "cli/simulate.rs"]
mod simulate;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use secrecy::ExposeSecret;
use sqlx::PgPool;
use storage::event_log::LogEntry;
use storage::postgres::facts::dead_letters;
use test_support::live;

async fn run(pool: Option<&PgPool>, extra: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moviemetric"));
    command.env_clear().args(args).envs(extra.iter().copied());
    if let Some(pool) = pool {
        command.env("DATABASE_URL", test_support::database_url(pool));
    }
    // Off the test's thread, whose pool the database may need to answer.
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn shared_data(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    path.is_dir().then_some(path)
}

async fn count(pool: &PgPool, table: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_missing_or_malformed_setting_is_one_line_and_exit_78() {
    let missing = run(None, &[], &["migrate"]).await;
    assert_eq!(missing.status.code(), Some(78));
    assert!(
        text(&missing.stderr).starts_with("setting DATABASE_URL is missing")
            && text(&missing.stderr).lines().count() == 1
    );
    let malformed = run(None, &[("DATABASE_URL", "mysql://secret@host/x")], &["jobs"]).await;
    assert_eq!(malformed.status.code(), Some(78));
    assert!(text(&malformed.stderr).contains("DATABASE_URL") && !text(&malformed.stderr).contains("secret"));
}

#[sqlx::test]
async fn migrate_brings_an_empty_database_up_to_date_and_twice_does_nothing(pool: PgPool) {
    let first = run(Some(&pool), &[], &["migrate"]).await;
    assert!(first.status.success(), "{}", text(&first.stderr));
    let second = run(Some(&pool), &[], &["migrate"]).await;
    assert_eq!(text(&second.stdout), "schema up to date; 0 migrations applied now\n");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn demo_loads_the_world_of_the_size_asked_for_and_again_changes_nothing(pool: PgPool) {
    let args = ["demo", "--movies", "500", "--users", "20", "--days", "3", "--ratings", "100"];
    let first = run(Some(&pool), &[], &args).await;
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert_eq!((count(&pool, "movies").await, count(&pool, "ratings").await), (500, 100));
    assert_eq!(count(&pool, "movie_metrics_daily").await, 1_500);
    // Without sizes it is the same world again.
    let second = text(&run(Some(&pool), &[], &["demo"]).await.stdout);
    assert!(second.contains(r#""movies_added":0,"movies_changed":0,"movies_unchanged":500"#), "{second}");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn import_sets_bad_rows_aside_and_says_how_many(pool: PgPool) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("movies.csv"),
        "movieId,title,genres\n1,\"Matrix, The (1999)\",Action|Sci-Fi\nx,Bad (2000),Drama\n",
    )
    .unwrap();
    fs::write(dir.path().join("links.csv"), "movieId,imdbId,tmdbId\n1,0133093,603\n").unwrap();
    fs::write(
        dir.path().join("ratings.csv"),
        "userId,movieId,rating,timestamp\n7,1,4.5,964982703\n7,99,4.5,964982703\n",
    )
    .unwrap();
    let output = run(Some(&pool), &[], &["import", "movielens", dir.path().to_str().unwrap()]).await;
    let out = text(&output.stdout);
    assert!(output.status.success() && out.contains("2 records were quarantined"), "{out} {}", text(&output.stderr));
    let movie: (i64, String, Vec<String>) =
        sqlx::query_as("SELECT movie_id, title, genres FROM movies").fetch_one(&pool).await.unwrap();
    assert_eq!(movie, (603, "The Matrix".into(), vec!["Action".into(), "Science Fiction".into()]));
    let rating: (i64, f32) = sqlx::query_as("SELECT user_id, rating FROM ratings").fetch_one(&pool).await.unwrap();
    assert_eq!(rating, (7, 9.0));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_real_tmdb_5000_comes_in_whole_and_twice_changes_nothing(pool: PgPool) {
    let Some(dir) = shared_data("tmdb_5000") else {
        return eprintln!("the data set tmdb_5000 is not here: skipped");
    };
    let args = ["import", "tmdb-5000", dir.to_str().unwrap()];
    let first = run(Some(&pool), &[], &args).await;
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert_eq!(count(&pool, "movies").await, 4_803);
    let avatar: (i64, serde_json::Value) =
        sqlx::query_as("SELECT budget, credits FROM movies WHERE movie_id = 19995").fetch_one(&pool).await.unwrap();
    assert_eq!(avatar.0, 237_000_000);
    assert_eq!(avatar.1["directors"][0]["name"], "James Cameron");
    assert_eq!(avatar.1["cast"][0]["name"], "Sam Worthington");
    let credits = count(&pool, "movie_credits").await;
    assert!(credits > 80_000, "{credits}");
    let again = text(&run(Some(&pool), &[], &args).await.stdout);
    assert!(again.contains(r#""movies_added":0,"movies_changed":0,"movies_unchanged":4803"#), "{again}");
    assert_eq!(count(&pool, "movie_credits").await, credits);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_real_movielens_ratings_come_in(pool: PgPool) {
    let Some(dir) = shared_data("ml-latest-small") else {
        return eprintln!("the data set ml-latest-small is not here: skipped");
    };
    let output = run(Some(&pool), &[], &["import", "movielens", dir.to_str().unwrap()]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    // Two MovieLens movies share one TMDB id, and one viewer rated both.
    assert!((100_830..=100_836).contains(&count(&pool, "ratings").await));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn import_names_the_file_that_is_missing(pool: PgPool) {
    let dir = tempfile::tempdir().unwrap();
    let output = run(Some(&pool), &[], &["import", "tmdb-5000", dir.path().to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("tmdb_5000_movies.csv"), "{}", text(&output.stderr));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn jobs_are_enqueued_and_listed(pool: PgPool) {
    let id = text(&run(Some(&pool), &[], &["enqueue", "trending"]).await.stdout);
    let list = text(&run(Some(&pool), &[], &["jobs"]).await.stdout);
    assert!(list.contains(id.trim()) && list.contains("queued") && list.contains("1 of 1 jobs"), "{list}");
    let unknown = run(Some(&pool), &[], &["enqueue", "mine-bitcoin"]).await;
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("ratings-by-decade"));
    let help = text(&run(None, &[], &["enqueue", "--help"]).await.stdout);
    assert!(help.contains("finds the titles most similar to each movie"), "{help}");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_job_is_enqueued_with_its_own_options_and_no_others(pool: PgPool) {
    let forced = run(Some(&pool), &[], &["enqueue", "recommendations", "--force"]).await;
    assert!(forced.status.success(), "{}", text(&forced.stderr));
    let held = run(Some(&pool), &[], &["enqueue", "probe", "--option", "hold_ms=5"]).await;
    assert!(held.status.success(), "{}", text(&held.stderr));
    let jobs: Vec<(String, serde_json::Value)> =
        sqlx::query_as("SELECT kind, payload FROM jobs ORDER BY created_at").fetch_all(&pool).await.unwrap();
    let expected = [("similar", serde_json::json!({ "force": true })), ("probe", serde_json::json!({ "hold_ms": 5 }))];
    assert_eq!(jobs, expected.map(|(kind, payload)| (kind.to_owned(), payload)));
    for options in [&["--mode", "full"][..], &["--option", "colour=1"], &["--option", "force=perhaps"]] {
        let refused = run(Some(&pool), &[], &[&["enqueue", "trending"], options].concat()).await;
        assert!(!refused.status.success() && text(&refused.stderr).contains("trending does not accept these options"));
    }
    let sideways = run(Some(&pool), &[], &["enqueue", "ingest", "--mode", "sideways"]).await;
    assert!(text(&sideways.stderr).contains("mode: unknown variant"), "{}", text(&sideways.stderr));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn doctor_tells_what_is_broken_and_how_to_mend_it(pool: PgPool) {
    // Port 9 (discard) refuses.
    let sick = run(Some(&pool), &[("REDIS_URL", "redis://127.0.0.1:9")], &["doctor"]).await;
    let out = text(&sick.stdout);
    assert_eq!(sick.status.code(), Some(1));
    assert!(out.contains("BROKEN  queue") && out.contains("BROKEN  event log") && out.contains("REDIS_URL"), "{out}");
    assert!(out.contains("ok      PostgreSQL   schema up to date"), "{out}");
    assert!(out.contains("enqueue compute-all"), "{out}");
    assert!(out.contains("BROKEN  worker"), "no worker runs here: {out}");
    let redis = test_support::redis_url();
    let fine = run(Some(&pool), &[("REDIS_URL", redis.expose_secret())], &["doctor"]).await;
    assert!(text(&fine.stdout).contains("ok      queue        reachable"), "{}", text(&fine.stdout));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn dead_letters_are_listed_and_replayed_unless_they_are_no_events(pool: PgPool) {
    let prefix = test_support::unique_prefix();
    let log = live::log(&prefix, 100);
    let facts = live::facts(3, 1, chrono::Utc::now());
    let payloads = facts.iter().map(|fact| serde_json::to_string(fact).unwrap()).chain(["from a stranger".into()]);
    for (payload, n) in payloads.zip(1..) {
        let entry = LogEntry { id: format!("{n}-0"), payload, appended_at: chrono::Utc::now() };
        dead_letters::add(&pool, "events", &entry, 3, "the disk was full").await.unwrap();
    }
    let redis = test_support::redis_url();
    let env = [("REDIS_URL", redis.expose_secret()), ("REDIS_PREFIX", prefix.as_str())];
    let list = text(&run(Some(&pool), &env, &["dead-letters", "list"]).await.stdout);
    assert!(list.contains("after 3 tries: the disk was full — from a stranger"), "{list}");
    assert!(list.contains("4 of 4 dead letters"), "{list}");

    let one = run(Some(&pool), &env, &["dead-letters", "replay", "--id", "2"]).await;
    assert!(one.status.success() && text(&one.stdout).starts_with("1 replayed"), "{}", text(&one.stderr));
    let all = run(Some(&pool), &env, &["dead-letters", "replay", "--all"]).await;
    let said = text(&all.stdout);
    assert!(!all.status.success(), "one is left");
    assert!(said.starts_with("2 replayed") && said.contains("are not events: [4]"), "{said} {}", text(&all.stderr));
    assert_eq!(dead_letters::count(&pool).await.unwrap(), 1);
    let again: Vec<_> = live::logged(&*log).await.iter().map(|entry| entry.fact().unwrap()).collect();
    assert_eq!(again, [facts[1].clone(), facts[0].clone(), facts[2].clone()]);

    let gone = run(Some(&pool), &env, &["dead-letters", "replay", "--id", "2"]).await;
    assert!(!gone.status.success() && text(&gone.stderr).contains("no dead letter 2"));
    let discarded = run(Some(&pool), &env, &["dead-letters", "discard", "--all"]).await;
    assert!(text(&discarded.stdout).starts_with("1 discarded"), "{}", text(&discarded.stderr));
    assert_eq!(dead_letters::count(&pool).await.unwrap(), 0);
    let neither = run(Some(&pool), &env, &["dead-letters", "replay"]).await;
    assert!(text(&neither.stderr).contains("--all"), "{}", text(&neither.stderr));
}

#[tokio::test]
async fn an_admin_key_comes_with_its_hash() {
    use sha2::{Digest, Sha256};
    let out = text(&run(None, &[], &["admin-key"]).await.stdout);
    let (key, hash) = out.trim().strip_prefix("key=").unwrap().split_once("\nsha256=").unwrap();
    let expected: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, expected);
    assert_ne!(out, text(&run(None, &[], &["admin-key"]).await.stdout), "each call makes a new one");
}
