//! Translates the list of endpoints into actix resources.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

use crate::endpoint::Endpoint;
use crate::endpoints::endpoints;
use crate::error::ApiError;
use crate::middleware::Label;

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
        let resource = web::resource(&path).app_data(Label(endpoints[0].pattern()));
        config.service(endpoints.iter().fold(resource, |resource, endpoint| {
            endpoint.routes().into_iter().fold(resource, |resource, route| resource.route(route))
        }));
    }
    config.default_service(web::route().to(unknown_path));
}

async fn unknown_path() -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}
