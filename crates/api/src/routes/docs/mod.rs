//! The OpenAPI document and two pages that render it. This process serves all of their files; the content security
//! policy forbids any other origin.

use std::sync::{Arc, LazyLock};

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use bytes::Bytes;
use utoipa_swagger_ui::Config;

use crate::State;
use crate::error::ApiError;

const SWAGGER_PAGE: &str = include_str!("swagger.html");
const REDOC_PAGE: &str = include_str!("redoc.html");

/// File name of ReDoc's script in the assets directory; the npm package `redoc` has it as
/// `bundles/redoc.standalone.js`.
const REDOC_SCRIPT: &str = "redoc.standalone.js";

/// Content security policy of both pages. They use inline styles; ReDoc runs its search in a worker created from a
/// blob, and would load a logo from its vendor's CDN if allowed to.
const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; worker-src 'self' blob:";

/// The API's description as JSON, generated once: it does not change while the process runs.
pub struct Description(pub Bytes);

static SWAGGER: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("/openapi.json")));

/// The OpenAPI 3.1 document of this API.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "get_openapi", tag = "docs", responses((status = 200, body = Object)),
)]
pub async fn openapi(description: Data<Description>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(description.0.clone())
}

/// Swagger UI.
#[utoipa::path(
    get, path = "/docs", operation_id = "get_swagger", tag = "docs",
    responses((status = 200, body = String, content_type = "text/html")),
)]
pub async fn swagger() -> HttpResponse {
    page(SWAGGER_PAGE)
}

/// A file of Swagger UI.
#[utoipa::path(
    get, path = "/docs/{file}", operation_id = "get_swagger_file", tag = "docs",
    params(("file" = String, Path)), responses((status = 200)),
)]
pub async fn swagger_file(file: Path<String>) -> Result<HttpResponse, ApiError> {
    let found = utoipa_swagger_ui::serve(&file, SWAGGER.clone());
    let found = found.map_err(|error| ApiError::Internal(error.to_string().into()))?.ok_or(ApiError::UnknownPath)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .content_type(found.content_type)
        .body(found.bytes.into_owned()))
}

/// ReDoc.
#[utoipa::path(
    get, path = "/redoc", operation_id = "get_redoc", tag = "docs",
    responses((status = 200, body = String, content_type = "text/html")),
)]
pub async fn redoc() -> HttpResponse {
    page(REDOC_PAGE)
}

/// ReDoc's script, installed by `scripts/up.sh`.
#[utoipa::path(
    get, path = "/redoc/redoc.standalone.js", operation_id = "get_redoc_script", tag = "docs",
    responses((status = 200), (status = 503, description = "Not installed")),
)]
pub async fn redoc_script(state: Data<State>) -> Result<HttpResponse, ApiError> {
    let script = tokio::fs::read(state.assets_dir.join(REDOC_SCRIPT)).await.map_err(|error| {
        tracing::debug!(%error, "ReDoc's script cannot be read");
        ApiError::ReDocMissing
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .content_type("text/javascript; charset=utf-8")
        .body(script))
}

fn page(html: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .content_type("text/html; charset=utf-8")
        .body(html)
}
