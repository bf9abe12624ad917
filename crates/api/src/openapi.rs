//! The OpenAPI 3.1 description, generated from the handlers.

use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, Required, Response};
use utoipa::{Modify, OpenApi};

use crate::error::Problem;
use crate::routes::{
    admin, analytics, docs, events, health, metrics, movies, predictions, reviews, search, sentiment, similar,
    trending, trends,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "MovieMetric",
        description = "Analytics-ready movie data, computed ahead of time and served fast.\n\n\
            Paths under `/api/v1` also answer without that prefix. Answers that come from the cache say so in `X-Cache` \
            and carry an `ETag`; `Cache-Control: no-cache` asks for a fresh one. \
            Lists can be had as CSV and NDJSON: `format=csv` or `Accept: text/csv`. Every answer carries `X-Request-ID`, and \
            every failure is an `application/problem+json` (RFC 9457).",
        license(name = "MIT", identifier = "MIT"),
    ),
    paths(
        events::add, reviews::add,
        movies::list, movies::show, sentiment::of_movie, trending::now, trending::stream, trending::daily, similar::list, search::search, search::filtered,
        analytics::top_genres, analytics::ratings_by_decade, analytics::genre, analytics::collaborators, trends::series,
        predictions::trending, predictions::of_movie,
        admin::ingest::run, admin::compute::run, admin::search::build_index, admin::cache::purge,
        admin::jobs::list, admin::jobs::show, admin::stream::follow, admin::jobs::cancel, admin::jobs::retry,
        health::overview, health::live, health::ready, health::database, health::cache, health::routing, health::search,
        metrics::metrics,
        docs::openapi, docs::swagger, docs::swagger_file, docs::redoc, docs::redoc_script,
    ),
    components(schemas(Problem, trending::RankingEvent, trending::ChangeEvent)),
    modifiers(&AdminKey, &Tables, &Problems),
    tags(
        (name = "events", description = "What viewers do and write"),
        (name = "movies", description = "Movies"),
        (name = "trending", description = "What moves now"),
        (name = "analytics", description = "Statistics"),
        (name = "predictions", description = "Forecasts"),
        (name = "search", description = "Full-text search"),
        (name = "recommendations", description = "Similar titles"),
        (name = "admin", description = "Jobs; asks for the admin key"),
        (name = "health", description = "Health and metrics"),
        (name = "docs", description = "This description"),
    ),
)]
struct Document;

/// The whole description.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The two headers that take the admin key.
struct AdminKey;

impl Modify for AdminKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        components.add_security_scheme("admin_key", header);
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        components.add_security_scheme("admin_bearer", bearer);
    }
}

/// Lists, which can be had as CSV and NDJSON ([`crate::export`]).
pub const TABLES: [&str; 15] = [
    "/api/v1/movies",
    "/api/v1/movies/trending",
    "/api/v1/movies/{id}/similar",
    "/api/v1/movies/{id}/sentiment",
    "/api/v1/trending/movies",
    "/api/v1/analytics/top-genres",
    "/api/v1/analytics/ratings-by-decade",
    "/api/v1/analytics/genre/{genre}",
    "/api/v1/analytics/trends",
    "/api/v1/analytics/actors/{id}/collaborators",
    "/api/v1/search",
    "/api/v1/search/movies",
    "/api/v1/predictions/trending",
    "/api/v1/predictions/movies/{id}",
    "/api/v1/admin/jobs",
];

struct Tables;

impl Modify for Tables {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let format = ParameterBuilder::new()
            .name("format")
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(
                "json, csv or ndjson; without it `Accept` decides. As a table the list is whole unless `limit` is sent: movies without end, search as far as it counts, all else up to 10,000.",
            ))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["json", "csv", "ndjson"]))))
            .build();
        for path in TABLES {
            let Some(operation) = document.paths.paths.get_mut(path).and_then(|path| path.get.as_mut()) else {
                continue;
            };
            operation.parameters.get_or_insert_default().push(RefOr::T(format.clone()));
            if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
                for content_type in ["text/csv", "application/x-ndjson"] {
                    let text = ObjectBuilder::new().schema_type(Type::String);
                    response.content.insert(content_type.to_owned(), RefOr::T(Content::new(Some(text))));
                }
            }
        }
    }
}

/// Every operation may fail in ways that are the same everywhere; said once here instead of at each handler.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut problem = Response::new("Any other failure");
        problem
            .content
            .insert(Problem::CONTENT_TYPE.to_owned(), RefOr::T(Content::new(Some(Ref::from_schema_name("Problem")))));
        let operations = document
            .paths
            .paths
            .values_mut()
            .flat_map(|path| [path.get.as_mut(), path.post.as_mut(), path.delete.as_mut()]);
        for operation in operations.flatten() {
            for (status, response) in &mut operation.responses.responses {
                describe(status, response);
            }
            operation.responses.responses.insert("default".to_owned(), RefOr::T(problem.clone()));
        }
    }
}

/// OpenAPI wants a description of every response; a success needs no words of its own.
fn describe(status: &str, response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    if response.description.is_empty() {
        response.description = if status == "202" { "Accepted" } else { "Success" }.to_owned();
    }
}
