//! From the list of endpoints to actix's resources.

use std::collections::HashMap;
use std::rc::Rc;

use actix_web::dev::Handler;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpResponse, Responder, Route};

use crate::access::{self, Access};
use crate::endpoints::endpoints;
use crate::error::ApiError;
use crate::middleware::Label;

/// Where the canonical paths live.
pub const PREFIX: &str = "/api/v1";

/// Registers the list, and the answer to every path that is not in it.
pub fn configure(config: &mut ServiceConfig) {
    // One resource a path: actix would answer 405 for a method that a second resource of the same path takes.
    let mut order: Vec<String> = Vec::new();
    let mut at_path: HashMap<String, Vec<Endpoint>> = HashMap::new();
    for (path, endpoint) in endpoints()
        .into_iter()
        .flat_map(|endpoint| endpoint.paths().into_iter().map(move |path| (path, endpoint.clone())).collect::<Vec<_>>())
    {
        if !at_path.contains_key(&path) {
            order.push(path.clone());
        }
        at_path.entry(path).or_default().push(endpoint);
    }
    for path in order {
        let Some(endpoints) = at_path.remove(&path) else { continue };
        let resource = web::resource(&path).app_data(Label(endpoints[0].path));
        config.service(endpoints.iter().fold(resource, |resource, endpoint| {
            endpoint.routes().into_iter().fold(resource, |resource, route| resource.route(route))
        }));
    }
    config.default_service(web::route().to(unknown_path));
}

async fn unknown_path() -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// One method of one resource.
#[derive(Clone)]
pub struct Endpoint {
    path: &'static str,
    versioned: bool,
    root: bool,
    method: Method,
    route: Rc<dyn Fn() -> Route>,
    /// Who may call it.
    pub access: Access,
    /// Whether its answer is a list that can be had as CSV and NDJSON.
    pub is_table: bool,
    documented: Option<&'static str>,
}

impl Endpoint {
    /// Under [`PREFIX`] and without it.
    pub(crate) fn both(path: &'static str, access: Access) -> Self {
        let route = Rc::new(|| web::route().to(unknown_path));
        let (method, documented) = (Method::GET, None);
        Self { path, versioned: true, root: true, method, route, access, is_table: false, documented }
    }

    /// Under [`PREFIX`] only.
    pub(crate) fn versioned(path: &'static str, access: Access) -> Self {
        Self { root: false, ..Self::both(path, access) }
    }

    /// Without [`PREFIX`] only.
    pub(crate) fn root(path: &'static str, access: Access) -> Self {
        Self { versioned: false, ..Self::both(path, access) }
    }

    pub(crate) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, handler)
    }

    pub(crate) fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, handler)
    }

    pub(crate) fn delete<F, Args>(self, handler: F) -> Self
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
        self.route = Rc::new(move || web::route().to(handler.clone()));
        self.method = method;
        self
    }

    pub(crate) fn documented_as(mut self, path: &'static str) -> Self {
        self.documented = Some(path);
        self
    }

    pub(crate) fn table(mut self) -> Self {
        self.is_table = true;
        self
    }

    /// Its paths, the canonical one first.
    pub fn paths(&self) -> Vec<String> {
        let versioned = self.versioned.then(|| format!("{PREFIX}{}", self.path));
        versioned.into_iter().chain(self.root.then(|| self.path.to_owned())).collect()
    }

    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path under which its handler documents itself, where that is not its own.
    pub fn documented(&self) -> Option<&'static str> {
        self.documented
    }

    /// Its routes; an answer to GET is one to HEAD as well, of which actix leaves the body out by itself.
    fn routes(&self) -> Vec<Route> {
        let methods =
            if self.method == Method::GET { vec![Method::GET, Method::HEAD] } else { vec![self.method.clone()] };
        methods.into_iter().map(|method| self.guarded((self.route)().method(method))).collect()
    }

    /// Whoever may not call it does not reach its handler. What is open to everybody is not looked at.
    fn guarded(&self, route: Route) -> Route {
        let access = self.access;
        if access == Access::Open {
            return route;
        }
        route.wrap(from_fn(move |request, next| access::require(access, request, next)))
    }
}
