//! Builds the OpenAPI 3.1 document from the handlers and the list of endpoints.

use query::trending::{ChangeView, RankingView};
use utoipa::openapi::path::{HttpMethod, Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, ObjectBuilder, PathItem, Ref, RefOr, Required, Response};
use utoipa::{OpenApi, openapi};

use crate::access::Access;
use crate::endpoint::Endpoint;
use crate::endpoints::{Handlers, endpoints};
use crate::error::Problem;
use crate::export::Formulas;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "MovieMetric",
        description = "Analytics-ready movie data, computed ahead of time and served fast.\n\n\
            `x-also-at` names a path's form without `/api/v1`, if there is one. `X-Cache` tells whether an answer comes from \
            the cache; such answers have an `ETag`, and `Cache-Control: no-cache` bypasses the cache. \
            Lists are also available as CSV and NDJSON: `format=csv` or `Accept: text/csv`. Every answer has `X-Request-ID`, and \
            every failure is an `application/problem+json` (RFC 9457).",
        license(name = "MIT", identifier = "MIT"),
    ),
    components(schemas(Problem, RankingView, ChangeView)),
    tags(
        (name = "events", description = "Viewers' events and reviews"),
        (name = "movies", description = "Movies: list, details, sentiment"),
        (name = "trending", description = "Trending movies: nightly ranking and ranking of the last hours"),
        (name = "analytics", description = "Statistics by genre, decade, day and actor"),
        (name = "predictions", description = "Forecasts"),
        (name = "search", description = "Full-text search"),
        (name = "recommendations", description = "Similar titles"),
        (name = "admin", description = "Jobs, the cache, dead letters and quarantine; requires the admin key"),
        (name = "health", description = "Health and metrics"),
        (name = "docs", description = "This document and pages that render it"),
    ),
)]
struct Document;

/// Builds the whole document: every endpoint of the list, with the operation that its handler declares.
pub fn document() -> openapi::OpenApi {
    let mut document = Document::openapi();
    let handlers = Handlers::openapi();
    let components = document.components.get_or_insert_default();
    if let Some(found) = handlers.components {
        components.schemas.extend(found.schemas);
    }
    // The two headers that accept the admin key.
    let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
    components.add_security_scheme("admin_key", header);
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    components.add_security_scheme("admin_bearer", bearer);

    for endpoint in endpoints() {
        let path = endpoint.paths().swap_remove(0);
        let documented = handlers.paths.paths.get(endpoint.documented().unwrap_or(&path));
        let Some((method, operation)) = documented.and_then(|item| operation(item, &endpoint)) else { continue };
        let item = PathItem::new(method, completed(operation, &endpoint));
        match document.paths.paths.get_mut(&path) {
            Some(other) => other.merge_operations(item),
            None => drop(document.paths.paths.insert(path, item)),
        }
    }
    document
}

/// Finds the operation that the endpoint's handler declares.
fn operation(item: &PathItem, endpoint: &Endpoint) -> Option<(HttpMethod, Operation)> {
    let (method, operation) = match endpoint.method().as_str() {
        "GET" => (HttpMethod::Get, &item.get),
        "POST" => (HttpMethod::Post, &item.post),
        "PUT" => (HttpMethod::Put, &item.put),
        "DELETE" => (HttpMethod::Delete, &item.delete),
        _ => return None,
    };
    Some((method, operation.clone()?))
}

/// Adds what follows from the list of endpoints, so that handlers need not repeat it: security, formats, errors.
fn completed(mut operation: Operation, endpoint: &Endpoint) -> Operation {
    let paths = endpoint.paths();
    if let Some(also_at) = paths.get(1) {
        let extensions = openapi::extensions::Extensions::builder().add("x-also-at", also_at.as_str()).build();
        operation.extensions.get_or_insert_default().merge(extensions);
    }
    if endpoint.documented().is_some() {
        // Operation ids must be unique, because client generators name functions after them.
        let id = operation.operation_id.take().unwrap_or_default();
        let path = paths[0].trim_start_matches(crate::paths::PREFIX);
        operation.operation_id = Some(format!("{id}_at{}", path.replace(['/', '-'], "_").replace(['{', '}'], "")));
    }
    operation.security = (endpoint.access != Access::Open).then(|| {
        ["admin_key", "admin_bearer"].map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new())).to_vec()
    });
    if endpoint.is_table {
        as_table(&mut operation);
    }
    for (status, response) in &mut operation.responses.responses {
        describe(status, response);
    }
    let mut problem = Response::new("Any other failure");
    let schema = Content::new(Some(Ref::from_schema_name("Problem")));
    problem.content.insert(Problem::CONTENT_TYPE.to_owned(), RefOr::T(schema));
    operation.responses.responses.insert("default".to_owned(), RefOr::T(problem));
    operation
}

/// Documents the CSV and NDJSON forms of a list.
fn as_table(operation: &mut Operation) {
    let format = ParameterBuilder::new()
        .name("format")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(
            "json, csv or ndjson; without it `Accept` decides. A table holds the whole list unless `limit` is sent: all movies, \
             all counted search results, and up to 10,000 rows of any other list.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["json", "csv", "ndjson"]))))
        .build();
    let formulas = ParameterBuilder::new()
        .name("csv_formulas")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(
            "In CSV, text that a spreadsheet would run as a formula gets an apostrophe before it; `keep` leaves it as it is, for \
             programs.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Formulas::VALUES))))
        .build();
    operation.parameters.get_or_insert_default().extend([RefOr::T(format), RefOr::T(formulas)]);
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
        for content_type in ["text/csv", "application/x-ndjson"] {
            let text = ObjectBuilder::new().schema_type(Type::String);
            response.content.insert(content_type.to_owned(), RefOr::T(Content::new(Some(text))));
        }
    }
}

/// Adds a description where the handler gives none; OpenAPI requires one for every response.
fn describe(status: &str, response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    if response.description.is_empty() {
        response.description = if status == "202" { "Accepted" } else { "Success" }.to_owned();
    }
}
