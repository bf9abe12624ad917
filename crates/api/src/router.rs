//! The whole URL space, in one list.
//!
//! Canonical paths live under [`PREFIX`]; seed 3's paths without it reach the same handlers.

use actix_web::dev::Handler;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpResponse, Resource, Responder, Route};

use crate::error::ApiError;
use crate::middleware::Label;
use crate::routes::{
    admin, analytics, docs, events, health, metrics, movies, predictions, reviews, search, sentiment, similar,
    trending, trends,
};

/// Where the canonical paths live.
pub const PREFIX: &str = "/api/v1";

/// Every path and its handlers. A fixed path stands before the pattern that would also take it.
#[rustfmt::skip]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        both("/movies").get(movies::list),
        both("/movies/trending").get(trending::daily),
        both("/movies/{id}").get(movies::show),
        both("/movies/{id}/similar").get(similar::list),
        versioned("/movies/{id}/sentiment").get(sentiment::of_movie),
        both("/search").get(search::search),
        versioned("/search/movies").get(search::filtered),
        versioned("/events").post(events::add),
        versioned("/reviews").post(reviews::add),
        versioned("/trending/movies").get(trending::now),
        versioned("/trending/stream").get(trending::stream),
        versioned("/trending/daily").get(trending::daily),
        both("/analytics/top-genres").get(analytics::top_genres),
        both("/analytics/ratings-by-decade").get(analytics::ratings_by_decade),
        versioned("/analytics/genre/{genre}").get(analytics::genre),
        versioned("/analytics/trends").get(trends::series),
        versioned("/analytics/actors/{id}/collaborators").get(analytics::collaborators),
        versioned("/predictions/trending").get(predictions::trending),
        versioned("/predictions/movies/{id}").get(predictions::of_movie),
        versioned("/recommendations/movies/{id}").get(similar::list),
        both("/admin/ingest/run").post(admin::ingest::run),
        both("/admin/compute/{job}").post(admin::compute::run),
        both("/admin/search/build-index").post(admin::search::build_index),
        both("/admin/cache").delete(admin::cache::purge),
        both("/admin/jobs").get(admin::jobs::list),
        both("/admin/jobs/{id}").get(admin::jobs::show),
        both("/admin/jobs/{id}/stream").get(admin::stream::follow),
        both("/admin/jobs/{id}/cancel").post(admin::jobs::cancel),
        both("/admin/jobs/{id}/retry").post(admin::jobs::retry),
        both("/health").get(health::overview),
        both("/health/live").get(health::live),
        both("/health/ready").get(health::ready),
        both("/health/database").get(health::database),
        both("/health/mongodb").get(health::database),
        both("/health/cache").get(health::cache),
        both("/health/routing").get(health::routing),
        both("/health/search").get(health::search),
        both("/metrics").get(metrics::metrics),
        root("/openapi.json").get(docs::openapi),
        root("/docs").get(docs::swagger),
        root("/docs/{file}").get(docs::swagger_file),
        root("/redoc").get(docs::redoc),
        root("/redoc/redoc.standalone.js").get(docs::redoc_script),
    ]
}

/// Registers the list, and the answer to every path that is not in it.
pub fn configure(config: &mut ServiceConfig) {
    for endpoint in endpoints() {
        for path in endpoint.paths() {
            let resource = endpoint.resource(&path);
            // Decided by the path, so that no handler under it can forget to ask for the key.
            if endpoint.is_admin() {
                config.service(resource.wrap(from_fn(admin::auth::require_key)));
            } else {
                config.service(resource);
            }
        }
    }
    config.default_service(web::route().to(unknown_path));
}

async fn unknown_path() -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// One resource: its paths and, by method, its handlers.
pub struct Endpoint {
    path: &'static str,
    versioned: bool,
    root: bool,
    routes: Vec<(Method, Box<dyn Fn() -> Route>)>,
}

/// Under [`PREFIX`] and, as in seed 3, without it.
fn both(path: &'static str) -> Endpoint {
    Endpoint { path, versioned: true, root: true, routes: Vec::new() }
}

/// Under [`PREFIX`] only.
fn versioned(path: &'static str) -> Endpoint {
    Endpoint { root: false, ..both(path) }
}

/// At the root only: what describes all versions.
fn root(path: &'static str) -> Endpoint {
    Endpoint { versioned: false, ..both(path) }
}

impl Endpoint {
    fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        // actix leaves the body of an answer to HEAD out by itself.
        self.on(Method::GET, handler.clone()).on(Method::HEAD, handler)
    }

    fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, handler)
    }

    fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::DELETE, handler)
    }

    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = {
            let method = method.clone();
            move || web::method(method.clone()).to(handler.clone())
        };
        self.routes.push((method, Box::new(route)));
        self
    }

    /// The canonical path first.
    pub fn paths(&self) -> Vec<String> {
        let versioned = self.versioned.then(|| format!("{PREFIX}{}", self.path));
        versioned.into_iter().chain(self.root.then(|| self.path.to_owned())).collect()
    }

    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.routes.iter().map(|(method, _)| method)
    }

    pub fn is_admin(&self) -> bool {
        self.path.starts_with("/admin/")
    }

    fn resource(&self, path: &str) -> Resource {
        let resource = web::resource(path).app_data(Label(self.path));
        self.routes.iter().fold(resource, |resource, (_, route)| resource.route(route()))
    }
}
