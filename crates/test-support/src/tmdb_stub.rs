//! A small TMDB inside the test: movies in the shapes that TMDB answers with, and every way to misbehave.
//!
//! Needs actix-web, chrono, serde_json and tokio, and nothing of ours, so that the tests of `sources` can include
//! this file by path.
#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use chrono::NaiveDate;
use serde_json::{Value, json};

/// The key that the stub takes, as `?api_key=` or as bearer.
pub const STUB_KEY: &str = "0123456789abcdef0123456789abcdef";

/// TMDB shows no page past this.
const PAGE_CAP: usize = 500;

/// A movie as the stub's TMDB has it.
#[derive(Debug, Clone)]
pub struct StubMovie {
    id: i64,
    released: Option<NaiveDate>,
    changed: Option<NaiveDate>,
    detail: Value,
}

impl StubMovie {
    /// A movie with credits, keywords and one review.
    pub fn new(id: i64, title: &str, released: &str) -> Self {
        let detail = json!({
            "adult": false, "backdrop_path": null, "belongs_to_collection": null, "budget": 1_000_000,
            "genres": [{"id": 18, "name": "Drama"}, {"id": 53, "name": "Thriller"}], "homepage": "", "id": id,
            "imdb_id": format!("tt{id:07}"), "origin_country": ["US"], "original_language": "en",
            "original_title": title, "overview": format!("What happens in {title}."), "popularity": 4.25,
            "poster_path": null, "production_companies": [], "production_countries": [], "release_date": released,
            "revenue": 0, "runtime": 101, "softcore": false, "spoken_languages": [], "status": "Released",
            "tagline": "", "title": title, "video": false, "vote_average": 7.1, "vote_count": 321
        });
        let credits = json!({
            "cast": [{"id": id * 10, "name": format!("Lead of {title}"), "character": "Lead", "order": 0}],
            "crew": [{"id": id * 10 + 1, "name": format!("Director of {title}"), "job": "Director"}]
        });
        let reviews = json!({"page": 1, "total_pages": 1, "total_results": 1, "results": [{
            "id": format!("r{id}"), "author": "Ann", "content": format!("I liked {title}."),
            "author_details": {"name": "", "username": "ann", "avatar_path": null, "rating": 8.0},
            "created_at": "2024-05-01T12:00:00.000Z", "updated_at": "2024-05-01T12:00:00.000Z"
        }]});
        Self { id, released: released.parse().ok(), changed: None, detail }
            .with("credits", credits)
            .with("keywords", json!({"keywords": [{"id": 1, "name": "stub"}]}))
            .with("reviews", reviews)
    }

    /// Replaces one field of the detail.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.detail[field] = value;
        self
    }

    /// Lists the movie among that day's changes.
    pub fn changed_on(mut self, day: NaiveDate) -> Self {
        self.changed = Some(day);
        self
    }
}

/// What the stub does to one request instead of answering it.
#[derive(Debug, Clone)]
pub enum Mischief {
    /// 429 with this `Retry-After`.
    TooMany(Option<String>),
    /// An empty body under this status.
    Status(u16),
    /// TMDB's own error body.
    Code(u16, i64),
    /// No answer for this long.
    Hang(Duration),
    /// A page for people, under 200.
    Html,
    /// JSON cut in the middle.
    Truncated,
    /// The connection breaks within the body.
    Broken,
    /// This body under 200.
    Body(String),
}

struct Rule {
    part: String,
    mischief: Mischief,
    /// `None` misbehaves for ever.
    times: Option<usize>,
}

struct Catalogue {
    movies: BTreeMap<i64, StubMovie>,
    rules: Vec<Rule>,
    requests: Vec<String>,
    key: String,
    page_size: usize,
    changes_page_size: usize,
    drift: bool,
}

/// A running stub; stops when dropped.
pub struct TmdbStub {
    base_url: String,
    world: Arc<Mutex<Catalogue>>,
    server: ServerHandle,
}

impl TmdbStub {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(movies: impl IntoIterator<Item = StubMovie>) -> Self {
        let world = Catalogue {
            movies: movies.into_iter().map(|movie| (movie.id, movie)).collect(),
            rules: Vec::new(),
            requests: Vec::new(),
            key: STUB_KEY.to_owned(),
            page_size: 20,
            changes_page_size: 100,
            drift: false,
        };
        let world = Arc::new(Mutex::new(world));
        let data = Data::from(world.clone());
        let server =
            HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::route().to(answer)))
                .workers(1)
                .disable_signals()
                .bind(("127.0.0.1", 0))
                .expect("a free port");
        let address = server.addrs().first().copied().expect("bound to one address");
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { base_url: format!("http://{address}/3/"), world, server: handle }
    }

    /// `http://127.0.0.1:<port>/3/`
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Adds or replaces a movie.
    pub fn put(&self, movie: StubMovie) {
        self.catalogue().movies.insert(movie.id, movie);
    }

    /// From now on this movie is 404.
    pub fn remove(&self, id: i64) {
        self.catalogue().movies.remove(&id);
    }

    /// The next `times` requests whose path and query contain `part` are treated so; several rules apply in turn.
    pub fn misbehave(&self, part: &str, times: usize, mischief: Mischief) {
        self.catalogue().rules.push(Rule { part: part.to_owned(), mischief, times: Some(times) });
    }

    /// As [`TmdbStub::misbehave`], until [`TmdbStub::behave`].
    pub fn misbehave_always(&self, part: &str, mischief: Mischief) {
        self.catalogue().rules.push(Rule { part: part.to_owned(), mischief, times: None });
    }

    /// Forgets every [`Mischief`] that was set.
    pub fn behave(&self) {
        self.catalogue().rules.clear();
    }

    /// The next second page of a listing starts one movie late, as when a movie before it has just been taken out.
    pub fn drift_once(&self) {
        self.catalogue().drift = true;
    }

    /// Movies per page of `discover` and `popular`, and of `changes`.
    pub fn page_sizes(&self, discover: usize, changes: usize) {
        let mut world = self.catalogue();
        (world.page_size, world.changes_page_size) = (discover, changes);
    }

    /// Takes another key than [`STUB_KEY`].
    pub fn take_key(&self, key: &str) {
        self.catalogue().key = key.to_owned();
    }

    /// Path and query of every request so far, from the base URL on, without the key.
    pub fn requests(&self) -> Vec<String> {
        self.catalogue().requests.clone()
    }

    /// Requests so far that contain `part`.
    pub fn count(&self, part: &str) -> usize {
        self.catalogue().requests.iter().filter(|request| request.contains(part)).count()
    }

    fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TmdbStub {
    fn drop(&mut self) {
        // The stop is asked for at once; nobody waits for its end.
        drop(self.server.stop(false));
    }
}

async fn answer(request: HttpRequest, world: Data<Mutex<Catalogue>>) -> HttpResponse {
    let query: HashMap<String, String> =
        web::Query::from_query(request.query_string()).map(web::Query::into_inner).unwrap_or_default();
    let path = request.path().strip_prefix("/3/").unwrap_or_default();
    let shown: Vec<&str> = request.query_string().split('&').filter(|pair| !pair.starts_with("api_key=")).collect();
    let shown = format!("{path}?{}", shown.join("&"));
    let mischief = {
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        world.requests.push(shown.clone());
        world.mischief(&shown)
    };
    if let Some(mischief) = mischief {
        return play(mischief).await;
    }
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    // The exports are on a host of their own, which takes no key and must not see ours.
    let public = path.starts_with("exports/") && bearer.is_none() && !query.contains_key("api_key");
    let key = query.get("api_key").map(String::as_str).or(bearer.and_then(|value| value.strip_prefix("Bearer ")));
    if !public && key != Some(world.key.as_str()) {
        return refusal(401, 7, "Invalid API key: You must be granted a valid key.");
    }
    match path.split('/').collect::<Vec<_>>()[..] {
        ["configuration"] => HttpResponse::Ok().json(json!({"images": {"base_url": "http://image.tmdb.org/t/p/"}})),
        ["discover", "movie"] => world.discover(&query),
        ["movie", "changes"] => world.changes(&query),
        ["movie", "popular"] => world.popular(&query),
        ["exports", name] if name.starts_with("movie_ids_") => world.export(),
        ["movie", id] => world.detail(id, &query),
        _ => refusal(404, 34, "The resource you requested could not be found."),
    }
}

impl Catalogue {
    fn mischief(&mut self, request: &str) -> Option<Mischief> {
        let rule = self.rules.iter_mut().find(|rule| rule.times != Some(0) && request.contains(&rule.part))?;
        rule.times = rule.times.map(|times| times - 1);
        Some(rule.mischief.clone())
    }

    fn detail(&self, id: &str, query: &HashMap<String, String>) -> HttpResponse {
        let Some(movie) = id.parse().ok().and_then(|id: i64| self.movies.get(&id)) else {
            return refusal(404, 34, "The resource you requested could not be found.");
        };
        let asked = query.get("append_to_response").map_or("", String::as_str);
        let mut detail = movie.detail.clone();
        for part in ["credits", "keywords", "reviews"] {
            if let Some(fields) = detail.as_object_mut().filter(|_| !asked.split(',').any(|word| word == part)) {
                fields.remove(part);
            }
        }
        HttpResponse::Ok().json(detail)
    }

    fn discover(&mut self, query: &HashMap<String, String>) -> HttpResponse {
        let day = |name: &str| query.get(name).and_then(|text| text.parse::<NaiveDate>().ok());
        let (first, last) = (day("primary_release_date.gte"), day("primary_release_date.lte"));
        let within = |date: NaiveDate| first.is_none_or(|first| date >= first) && last.is_none_or(|last| date <= last);
        let mut movies: Vec<&StubMovie> =
            self.movies.values().filter(|movie| movie.released.is_some_and(within)).collect();
        movies.sort_by_key(|movie| (movie.released, movie.id));
        let movies = movies
            .iter()
            .map(|movie| json!({"adult": false, "id": movie.id, "title": movie.detail["title"], "genre_ids": [18]}))
            .collect();
        self.page(movies, self.page_size, query)
    }

    /// The ids of all movies, as the transfer's compression, undone by the client, leaves them.
    fn export(&self) -> HttpResponse {
        let line = |movie: &StubMovie| {
            let (id, adult) = (movie.id, &movie.detail["adult"]);
            format!("{}\n", json!({"adult": adult, "id": id, "original_title": "-", "popularity": 1.0, "video": false}))
        };
        HttpResponse::Ok().content_type("application/gzip").body(self.movies.values().map(line).collect::<String>())
    }

    fn changes(&mut self, query: &HashMap<String, String>) -> HttpResponse {
        let day = |name: &str| query.get(name).and_then(|text| text.parse::<NaiveDate>().ok());
        let (Some(first), Some(last)) = (day("start_date"), day("end_date")) else {
            return refusal(422, 20, "Invalid date.");
        };
        if (last - first).num_days() > 14 {
            return refusal(422, 20, "Invalid date range: Should be a range no longer than 14 days.");
        }
        let changed = |movie: &&StubMovie| movie.changed.is_some_and(|day| (first..=last).contains(&day));
        let ids = self.movies.values().filter(changed).map(|movie| json!({"id": movie.id, "adult": null})).collect();
        self.page(ids, self.changes_page_size, query)
    }

    fn popular(&mut self, query: &HashMap<String, String>) -> HttpResponse {
        let popularity = |movie: &&StubMovie| movie.detail["popularity"].as_f64().unwrap_or_default();
        let mut movies: Vec<&StubMovie> = self.movies.values().collect();
        movies.sort_by(|a, b| popularity(b).total_cmp(&popularity(a)).then(a.id.cmp(&b.id)));
        let fields = ["adult", "id", "title", "release_date", "popularity", "vote_average", "vote_count"];
        let entry = |movie: &&StubMovie| fields.iter().map(|field| (*field, movie.detail[*field].clone())).collect();
        let movies = movies.iter().map(entry).collect();
        self.page(movies, self.page_size, query)
    }

    fn page(&mut self, results: Vec<Value>, size: usize, query: &HashMap<String, String>) -> HttpResponse {
        let page = query.get("page").map_or(Ok(1), |text| text.parse()).unwrap_or(0);
        if !(1..=PAGE_CAP).contains(&page) {
            return refusal(400, 22, "Invalid page: Pages start at 1 and max at 500.");
        }
        let late = if page == 2 { usize::from(std::mem::take(&mut self.drift)) } else { 0 };
        let shown: Vec<&Value> = results.iter().skip((page - 1) * size + late).take(size).collect();
        HttpResponse::Ok().json(json!({
            "page": page, "results": shown, "total_pages": results.len().div_ceil(size), "total_results": results.len()
        }))
    }
}

async fn play(mischief: Mischief) -> HttpResponse {
    match mischief {
        Mischief::TooMany(retry_after) => {
            let mut response = HttpResponse::TooManyRequests();
            if let Some(value) = retry_after {
                response.insert_header(("retry-after", value));
            }
            response.json(json!({"status_code": 25, "status_message": "Your request count is over the allowed limit."}))
        }
        Mischief::Status(status) => HttpResponse::build(code(status)).finish(),
        Mischief::Code(status, code) => refusal(status, code, "Something went wrong."),
        Mischief::Hang(time) => {
            tokio::time::sleep(time).await;
            HttpResponse::Ok().finish()
        }
        Mischief::Html => {
            HttpResponse::Ok().content_type("text/html").body("<html><h1>Welcome to the proxy</h1></html>")
        }
        Mischief::Truncated => {
            HttpResponse::Ok().content_type("application/json").body("{\"id\": 5, \"title\": \"Half a f")
        }
        Mischief::Broken => {
            let chunks: [io::Result<Bytes>; 2] =
                [Ok(Bytes::from_static(b"{\"id\"")), Err(io::ErrorKind::BrokenPipe.into())];
            HttpResponse::Ok().body(Chunks(chunks.into_iter()))
        }
        Mischief::Body(body) => HttpResponse::Ok().content_type("application/json").body(body),
    }
}

/// A body stream that breaks off in the middle.
struct Chunks(std::array::IntoIter<io::Result<Bytes>, 2>);

impl actix_web::body::MessageBody for Chunks {
    type Error = io::Error;

    fn size(&self) -> actix_web::body::BodySize {
        actix_web::body::BodySize::Stream
    }

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, io::Error>>> {
        std::task::Poll::Ready(self.0.next())
    }
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn refusal(status: u16, code_of_tmdb: i64, message: &str) -> HttpResponse {
    HttpResponse::build(code(status))
        .json(json!({"success": false, "status_code": code_of_tmdb, "status_message": message}))
}
