//! Translates the list of endpoints into actix resources.

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
use crate::paths::PREFIX;

/// Registers every endpoint, and a 404 handler for all other paths.
pub fn configure(config: &mut ServiceConfig) {
    // All methods of a path share one resource: with two, actix would answer 405 for the methods of the second.
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

/// One HTTP method of one path.
#[derive(Clone)]
pub struct Endpoint {
    path: &'static str,
    versioned: bool,
    root: bool,
    method: Method,
    route: Rc<dyn Fn() -> Route>,
    /// The access that the endpoint requires.
    pub access: Access,
    /// Whether its answer is a list that is also available as CSV and NDJSON.
    pub is_table: bool,
    documented: Option<&'static str>,
}

impl Endpoint {
    /// Creates an endpoint that answers under [`PREFIX`] and without it.
    pub(crate) fn both(path: &'static str, access: Access) -> Self {
        let route = Rc::new(|| web::route().to(unknown_path));
        let (method, documented) = (Method::GET, None);
        Self { path, versioned: true, root: true, method, route, access, is_table: false, documented }
    }

    /// Creates an endpoint that answers under [`PREFIX`] only.
    pub(crate) fn versioned(path: &'static str, access: Access) -> Self {
        Self { root: false, ..Self::both(path, access) }
    }

    /// Creates an endpoint that answers without [`PREFIX`] only.
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

    /// Returns the endpoint's paths, the canonical one first.
    pub fn paths(&self) -> Vec<String> {
        let versioned = self.versioned.then(|| format!("{PREFIX}{}", self.path));
        versioned.into_iter().chain(self.root.then(|| self.path.to_owned())).collect()
    }

    /// Returns the endpoint's HTTP method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the path under which the handler is documented, if the endpoint is an alias.
    pub fn documented(&self) -> Option<&'static str> {
        self.documented
    }

    /// Returns the endpoint's actix routes. A GET endpoint also answers HEAD; actix omits the body by itself.
    fn routes(&self) -> Vec<Route> {
        let methods =
            if self.method == Method::GET { vec![Method::GET, Method::HEAD] } else { vec![self.method.clone()] };
        methods.into_iter().map(|method| self.guarded((self.route)().method(method))).collect()
    }

    /// Wraps the route in the access check. Open endpoints skip it, because it costs time on every request.
    fn guarded(&self, route: Route) -> Route {
        let access = self.access;
        if access == Access::Open {
            return route;
        }
        route.wrap(from_fn(move |request, next| access::require(access, request, next)))
    }
}
