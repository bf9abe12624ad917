//! `moviemetric simulate` against a small server that notes what it is sent.

use std::collections::{BTreeMap, HashSet};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data, Json, Path, Query, get, post};
use actix_web::{App, HttpResponse, HttpServer};
use serde_json::{Value, json};

use crate::{run, text};

/// What the server was sent, and how it is to answer.
#[derive(Default)]
struct Sent {
    /// Bodies of posts of events in the order in which they came, the refused ones too.
    events: Vec<Vec<Value>>,
    reviews: Vec<Value>,
    /// Posts of events to be answered 503 before any is taken.
    refuse: usize,
    /// Events taken by movie, of type view: what a movie's page says.
    views: BTreeMap<i64, i64>,
}

type Shared = Data<Mutex<Sent>>;

const MOVIES: i64 = 230;

async fn movies(query: Query<BTreeMap<String, i64>>) -> HttpResponse {
    let (from, to) = (query["offset"], MOVIES.min(query["offset"] + query["limit"]));
    let movie = |n| json!({"movie_id": n + 1, "title": "A Movie", "genres": ["Drama"], "vote_average": 7.5, "rank": n});
    HttpResponse::Ok().json(json!({"items": (from..to).map(movie).collect::<Vec<_>>(), "total": MOVIES}))
}

async fn movie(id: Path<i64>, sent: Shared) -> HttpResponse {
    let views = sent.lock().unwrap().views.get(&id).copied().unwrap_or_default();
    HttpResponse::Ok().json(json!({"movie_id": *id, "viewers": {"views": views}}))
}

async fn events(body: Bytes, sent: Shared) -> HttpResponse {
    let events = match serde_json::from_slice(&body).unwrap() {
        Value::Array(events) => events,
        event => vec![event],
    };
    let mut sent = sent.lock().unwrap();
    sent.events.push(events.clone());
    if sent.refuse > 0 {
        sent.refuse -= 1;
        return HttpResponse::ServiceUnavailable()
            .insert_header(("Retry-After", "1"))
            .json(json!({"code": "event_log_full"}));
    }
    for event in events.iter().filter(|event| event["event_type"] == "view") {
        *sent.views.entry(event["movie_id"].as_i64().unwrap()).or_default() += 1;
    }
    // The first movie is refused, whoever does what with it.
    let refused = |(index, event): (usize, &Value)| {
        (event["movie_id"] == 1).then(|| json!({"index": index, "code": "no_first_movie", "reason": ""}))
    };
    let rejected: Vec<Value> = events.iter().enumerate().filter_map(refused).collect();
    HttpResponse::Accepted().json(json!({"accepted": [], "rejected": rejected}))
}

async fn reviews(Json(review): Json<Value>, sent: Shared) -> HttpResponse {
    let id = review["review_id"].clone();
    sent.lock().unwrap().reviews.push(review);
    HttpResponse::Accepted().json(json!({"review_id": id}))
}

/// An API that takes what it is sent, after refusing as many posts; where it is, what it was sent, how to stop it.
fn api(refuse: usize) -> (String, Arc<Mutex<Sent>>, ServerHandle) {
    let sent = Arc::new(Mutex::new(Sent { refuse, ..Sent::default() }));
    let shared: Shared = Data::from(sent.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/api/v1/movies", get().to(movies))
            .route("/api/v1/movies/{id}", get().to(movie))
            .route("/api/v1/events", post().to(events))
            .route("/api/v1/reviews", post().to(reviews))
    })
    .workers(1)
    .disable_signals()
    .bind("127.0.0.1:0")
    .unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    (url, sent, handle)
}

async fn simulate(url: &str, args: &[&str]) -> Value {
    let args = [&["simulate", "--json", "--api-url", url], args].concat();
    let output = run(None, &[], &args).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What was done by whom with what, without times and ids.
fn played(sent: &Sent) -> Vec<String> {
    let act = |act: &Value| {
        let mut act = act.clone();
        for name in ["event_id", "review_id", "occurred_at"] {
            act.as_object_mut().unwrap().remove(name);
        }
        act.to_string()
    };
    let mut played: Vec<String> = sent.events.iter().flatten().chain(&sent.reviews).map(act).collect();
    // Several connections may overtake each other.
    played.sort();
    played
}

#[actix_web::test]
async fn viewers_are_played_at_the_rate_and_the_same_ones_for_the_same_seed() {
    let mut plays = Vec::new();
    for seed in ["1", "1", "2"] {
        let (url, sent, server) = api(0);
        let summary = simulate(&url, &["--rate", "1000", "--for", "1s", "--seed", seed, "--movies", "150"]).await;
        server.stop(false).await;
        let sent = sent.lock().unwrap();
        let count = |name: &str| summary[name].as_u64().unwrap();
        let rejected = summary["rejected"]["no_first_movie"].as_u64().unwrap();
        let ids: HashSet<&str> =
            sent.events.iter().flatten().map(|event| event["event_id"].as_str().unwrap()).collect();
        assert!(count("accepted_reviews") > 0 && rejected > 0, "{summary}");
        assert_eq!(count("accepted_reviews"), sent.reviews.len() as u64);
        assert_eq!(count("accepted_events") + rejected, ids.len() as u64, "{summary}");
        assert_eq!(ids.len() + sent.reviews.len(), 1_000);
        assert!(summary["latency_ms"]["p99"].as_f64().unwrap() > 0.0);
        assert!(sent.events.iter().all(|post| post.len() <= 50), "a post holds a twentieth of a second");
        let movie = |event: &Value| event["movie_id"].as_i64().unwrap();
        assert!(sent.events.iter().flatten().all(|event| (1..=150).contains(&movie(event))));
        plays.push(played(&sent));
    }
    assert!(plays[0] == plays[1] && plays[0] != plays[2]);
}

#[actix_web::test]
async fn a_full_log_is_heeded_and_what_it_refused_is_sent_again_under_the_same_ids() {
    let (url, sent, server) = api(3);
    let started = std::time::Instant::now();
    let summary = simulate(&url, &["--rate", "100", "--for", "500ms", "--connections", "1"]).await;
    assert!(started.elapsed() >= Duration::from_secs(3), "three times it was asked to wait for a second");
    server.stop(false).await;
    let sent = sent.lock().unwrap();
    let ids = |post: &[Value]| post.iter().map(|event| event["event_id"].to_string()).collect::<Vec<_>>();
    assert_eq!(summary["retried_posts"], 3);
    let tries: Vec<_> = sent.events[..4].iter().map(|post| ids(post)).collect();
    assert!(tries.iter().all(|ids| *ids == tries[0]), "{tries:?}");
    let taken: Vec<_> = sent.events[3..].iter().flat_map(|post| ids(post)).collect();
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), taken.len(), "and once taken not again");
    assert_eq!(taken.len() + sent.reviews.len(), 50);
    let lost = ["given_up", "skipped", "unanswered"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(lost, [0, 0, 0], "{summary}");
}

#[actix_web::test]
async fn a_probe_is_seen_once_its_movie_counts_it() {
    let (url, sent, server) = api(0);
    let summary = simulate(&url, &["--rate", "50", "--for", "1s", "--probe"]).await;
    assert!(summary["probes_seen"].as_u64().unwrap() >= 3, "{summary}");
    assert_eq!(summary["probes_missed"], 0);
    assert!(summary["visible_ms"]["max"].as_f64().unwrap() > 0.0);
    // Its movies are those that viewers do not come across.
    server.stop(false).await;
    let sent = sent.lock().unwrap();
    let probed = |event: &&Value| event["user_id"] == "999999999";
    assert!(sent.events.iter().flatten().filter(probed).all(|event| event["movie_id"].as_i64().unwrap() > 130));
}

/// A simulator that was told to stop; killed if the test fails.
struct Endless(Child);

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn an_endless_run_ends_cleanly_when_told_to() {
    let (url, sent, server) = api(0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_moviemetric"));
    command.env_clear().env("API_URL", &url).args(["simulate", "--rate", "100", "--for", "forever"]);
    let mut endless = Endless(command.stdout(Stdio::piped()).spawn().unwrap());
    test_support::eventually("ten events are sent", Duration::from_secs(30), async || {
        (sent.lock().unwrap().events.len() >= 10).then_some(())
    })
    .await;
    let told = Command::new("kill").arg(endless.0.id().to_string()).status().unwrap();
    assert!(told.success());
    let status = tokio::task::spawn_blocking(move || {
        let status = endless.0.wait().unwrap();
        (status, std::io::read_to_string(endless.0.stdout.take().unwrap()).unwrap())
    });
    let (status, said) = status.await.unwrap();
    assert!(status.success() && said.contains("accepted") && said.contains("lost      0 given up"), "{said}");
    server.stop(false).await;
}

#[tokio::test]
async fn an_api_that_is_not_there_says_what_to_do() {
    let nobody = run(None, &[("API_URL", "http://127.0.0.1:9")], &["simulate"]).await;
    let said = text(&nobody.stderr);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(said.contains("scripts/up.sh") && said.contains("API_URL") && said.lines().count() == 1, "{said}");
}
