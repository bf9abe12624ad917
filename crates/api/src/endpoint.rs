//! One endpoint: a method of a resource, its handler and who may call it.

use std::rc::Rc;

use actix_web::dev::Handler;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web;
use actix_web::{FromRequest, Responder, Route};

use crate::access::{self, Access};
use crate::paths::PREFIX;

/// Where an endpoint is, and who may call it; a method with its handler makes an [`Endpoint`] of it.
pub(crate) struct Place {
    path: &'static str,
    versioned: bool,
    root: bool,
    access: Access,
}

impl Place {
    /// Creates a place that answers under [`PREFIX`] and without it.
    pub fn both(path: &'static str, access: Access) -> Self {
        Self { path, versioned: true, root: true, access }
    }

    /// Creates a place that answers under [`PREFIX`] only.
    pub fn versioned(path: &'static str, access: Access) -> Self {
        Self { root: false, ..Self::both(path, access) }
    }

    /// Creates a place that answers without [`PREFIX`] only.
    pub fn root(path: &'static str, access: Access) -> Self {
        Self { versioned: false, ..Self::both(path, access) }
    }

    pub fn get<F, Args>(self, handler: F) -> Endpoint
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, handler)
    }

    pub fn post<F, Args>(self, handler: F) -> Endpoint
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, handler)
    }

    pub fn put<F, Args>(self, handler: F) -> Endpoint
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PUT, handler)
    }

    pub fn delete<F, Args>(self, handler: F) -> Endpoint
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::DELETE, handler)
    }

    fn on<F, Args>(self, method: Method, handler: F) -> Endpoint
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let Self { path, versioned, root, access } = self;
        let route = Rc::new(move || web::route().to(handler.clone()));
        Endpoint { path, versioned, root, method, route, access, is_table: false, documented: None }
    }
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
    /// Whether its response is a list that can be had as CSV and NDJSON.
    pub is_table: bool,
    documented: Option<&'static str>,
}

impl Endpoint {
    pub(crate) fn documented_as(mut self, path: &'static str) -> Self {
        self.documented = Some(path);
        self
    }

    pub(crate) fn table(mut self) -> Self {
        self.is_table = true;
        self
    }

    /// Its pattern without [`PREFIX`], as metrics name it.
    pub fn pattern(&self) -> &'static str {
        self.path
    }

    /// Its paths, the canonical one first.
    pub fn paths(&self) -> Vec<String> {
        let versioned = self.versioned.then(|| format!("{PREFIX}{}", self.path));
        versioned.into_iter().chain(self.root.then(|| self.path.to_owned())).collect()
    }

    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path under which its handler is documented, where that is not its own.
    pub fn documented(&self) -> Option<&'static str> {
        self.documented
    }

    /// Its routes. A response to GET serves HEAD as well; actix leaves the body out by itself.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let methods =
            if self.method == Method::GET { vec![Method::GET, Method::HEAD] } else { vec![self.method.clone()] };
        methods.into_iter().map(|method| self.guarded((self.route)().method(method))).collect()
    }

    /// Requests of those who may not call it do not reach the handler. An open endpoint has no check to pay for.
    fn guarded(&self, route: Route) -> Route {
        let access = self.access;
        if access == Access::Open {
            return route;
        }
        route.wrap(from_fn(move |request, next| access::require(access, request, next)))
    }
}
