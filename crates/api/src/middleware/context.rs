//! The outermost middleware.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use futures::FutureExt;

use super::request_id::{RequestId, X_REQUEST_ID};
use super::series::{self, Label};
use crate::error::{ApiError, Problem};

/// Time limit for a request. Every store has a shorter one of its own; this limit covers everything else.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// Assigns the request id, converts every failure into problem details, and records metrics and log line.
pub async fn context<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    within(REQUEST_LIMIT, request, next).await
}

async fn within<B: MessageBody + 'static>(
    limit: Duration,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let (method, uri) = (request.method().clone(), request.uri().clone());

    let answer = AssertUnwindSafe(async { next.call(request).await }).catch_unwind();
    let lost = match tokio::time::timeout(limit, answer).await {
        Ok(Ok(Ok(response))) => return Ok(finish(response, id, &method, &uri, started)),
        Ok(Ok(Err(error))) => (error.as_response_error().status_code(), "a middleware failed"),
        // The panic hook has already logged message and location.
        Ok(Err(_panic)) => (StatusCode::INTERNAL_SERVER_ERROR, "the handler panicked"),
        Err(_elapsed) => (StatusCode::SERVICE_UNAVAILABLE, "the handler took too long"),
    };
    // The request is consumed by its handler, so the response travels as an error that carries it.
    let (status, cause) = lost;
    log(&id, &method, &uri, status, Some(cause));
    series::record(Label::NONE, &method, status, started.elapsed());
    let response = HttpResponse::build(status)
        .insert_header((X_REQUEST_ID, id.clone().into_header()))
        .content_type(Problem::CONTENT_TYPE)
        .body(Problem::of_status(status).with_request_id(id.as_str()).to_json());
    Err(InternalError::from_response(cause, response).into())
}

/// Records the response and completes its headers and body.
fn finish<B>(
    response: ServiceResponse<B>,
    id: RequestId,
    method: &Method,
    uri: &Uri,
    started: Instant,
) -> ServiceResponse<EitherBody<B>> {
    let status = response.status();
    let label = response.request().app_data::<Label>().copied().unwrap_or(Label::NONE);
    let cause = response.response().error().and_then(|error| error.as_error::<ApiError>()).and_then(ApiError::cause);
    log(&id, method, uri, status, cause.as_deref());
    series::record(label, method, status, started.elapsed());

    let mut response = if (status.is_client_error() || status.is_server_error()) && !has_own_body(response.response()) {
        with_problem(response, &id)
    } else {
        response.map_into_left_body()
    };
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.into_header());
    // Set on every response, because the compression middleware sets it only where it compressed.
    headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    response
}

/// Whether the response already describes its failure in JSON, as the health endpoints do.
fn has_own_body<B>(response: &HttpResponse<B>) -> bool {
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
    json && response.error().is_none()
}

/// Replaces the body by problem details; `Allow`, `Retry-After` and other headers stay.
fn with_problem<B>(response: ServiceResponse<B>, id: &RequestId) -> ServiceResponse<EitherBody<B>> {
    let problem = match response.response().error().and_then(|error| error.as_error::<ApiError>()) {
        Some(error) => error.problem(),
        None => Problem::of_status(response.status()),
    };
    let body = problem.with_request_id(id.as_str()).to_json();
    let (request, response) = response.into_parts();
    let mut response = response.set_body(EitherBody::right(actix_web::body::BoxBody::new(body)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Problem::CONTENT_TYPE));
    // The header described the replaced body.
    headers.remove(header::CONTENT_ENCODING);
    ServiceResponse::new(request, response)
}

/// Logs the request. This is the only place that logs failures of requests. Successes and clients' mistakes have level
/// debug, since they would dominate the CPU time at full load. The query string is left out, because it contains what
/// people search for.
fn log(id: &RequestId, method: &Method, uri: &Uri, status: StatusCode, cause: Option<&str>) {
    let (request_id, path, status_code) = (id.as_str(), uri.path(), status.as_u16());
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(request_id, %method, path, status = status_code, cause, "request failed");
    } else if status.is_server_error() {
        tracing::warn!(request_id, %method, path, status = status_code, cause, "request could not be answered");
    } else {
        tracing::debug!(request_id, %method, path, status = status_code, "request answered");
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::middleware::{Compress, from_fn};
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json, try_call_service};
    use actix_web::{App, web};
    use serde_json::{Value, json};

    use super::*;

    async fn boom() -> HttpResponse {
        panic!("the secret is 42")
    }

    async fn sleep() -> HttpResponse {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        HttpResponse::Ok().finish()
    }

    async fn corrupt() -> Result<HttpResponse, ApiError> {
        Err(ApiError::Internal("the secret is 42".into()))
    }

    macro_rules! app {
        () => {
            init_service(
                App::new()
                    .wrap(Compress::default())
                    .wrap(from_fn(context))
                    .route("/boom", web::get().to(boom))
                    .route("/corrupt", web::get().to(corrupt))
                    .service(
                        web::resource("/teapot").to(|| async { HttpResponse::ImATeapot().body("short and stout") }),
                    )
                    .service(web::resource("/post").route(web::post().to(HttpResponse::Ok))),
            )
            .await
        };
    }

    fn get(path: &str) -> TestRequest {
        TestRequest::get().uri(path).insert_header((X_REQUEST_ID, "r-1"))
    }

    fn internal() -> Value {
        json!({
            "type": "urn:moviemetric:problem:internal_error", "title": "Internal Server Error", "status": 500,
            "detail": crate::error::INTERNAL, "code": "internal_error", "request_id": "r-1",
        })
    }

    #[actix_web::test]
    async fn a_request_that_takes_too_long_is_ended() {
        let limited = from_fn(|request, next| within(Duration::from_millis(10), request, next));
        let app = init_service(App::new().wrap(limited).route("/sleep", web::get().to(sleep))).await;
        let error = try_call_service(&app, get("/sleep").to_request()).await.err().unwrap();
        let response = error.error_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body_of(response).await["code"], "service_unavailable");
    }

    async fn body_of(response: HttpResponse) -> Value {
        let bytes = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[actix_web::test]
    async fn a_panic_becomes_a_problem_that_tells_nothing() {
        let app = app!();
        let error = try_call_service(&app, get("/boom").to_request()).await.err().unwrap();
        let response = error.error_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers().get(X_REQUEST_ID).unwrap(), "r-1");
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), Problem::CONTENT_TYPE);
        assert_eq!(body_of(response).await, internal());
    }

    #[actix_web::test]
    async fn a_failure_of_ours_becomes_the_same_problem() {
        let app = app!();
        let response = call_service(&app, get("/corrupt").insert_header(("Accept-Encoding", "br")).to_request()).await;
        assert_eq!(response.headers().get(X_REQUEST_ID).unwrap(), "r-1");
        assert!(response.headers().get(header::CONTENT_ENCODING).is_none());
        assert_eq!(read_body_json::<Value, _>(response).await, internal());
    }

    #[actix_web::test]
    async fn failures_that_are_not_ours_become_problems_too() {
        let app = app!();
        let response = call_service(&app, get("/teapot").to_request()).await;
        assert_eq!(read_body_json::<Value, _>(response).await["code"], "i'm_a_teapot");
        let response = call_service(&app, get("/post").to_request()).await;
        assert_eq!(response.headers().get(header::ALLOW).unwrap(), "POST");
        assert_eq!(read_body_json::<Value, _>(response).await["code"], "method_not_allowed");
    }
}
