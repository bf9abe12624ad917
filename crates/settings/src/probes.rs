//! The endpoints `/metrics`, `/health/live` and `/health/ready` for services without an HTTP API: worker and scheduler.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::telemetry;

/// Maximum number of concurrent connections: enough for an orchestrator and a few scrapers. More connections wait.
const CONNECTIONS: usize = 32;

/// Time limit for receiving a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Time limit of the readiness check; orchestrators give up after a few seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval of draining the histograms, which keep raw samples until then.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Pause after a failed accept: the process is out of file descriptors, and only time helps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Checking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Box<dyn Fn() -> Checking + Send + Sync>;

/// The HTTP server of a process's probes. It is live from the start, and ready once the check given to
/// [`Probes::ready_when`] succeeds.
#[derive(Clone)]
pub struct Probes {
    metrics: PrometheusHandle,
    ready: Arc<OnceLock<Check>>,
}

impl Probes {
    /// Installs the process-wide metrics recorder and serves at `address` until the runtime ends.
    ///
    /// # Errors
    /// The address is in use, or a recorder is already installed.
    ///
    /// Boxed, so that the server is compiled once, here, and not again in each program that awaits it.
    pub fn serve(address: SocketAddr) -> Pin<Box<dyn Future<Output = io::Result<Self>> + Send>> {
        Box::pin(async move {
            Ok(Self::serve_on(TcpListener::bind(address).await?, telemetry::init_metrics().map_err(io::Error::other)?))
        })
    }

    fn serve_on(listener: TcpListener, metrics: PrometheusHandle) -> Self {
        let probes = Self { metrics: metrics.clone(), ready: Arc::default() };
        tokio::spawn(probes.clone().accept(listener));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL).await;
                metrics.run_upkeep();
            }
        });
        probes
    }

    /// Sets the check behind `/health/ready`; its `Err` states what is missing. Before the first call the service
    /// counts as starting; a second call has no effect.
    pub fn ready_when<F: Future<Output = Result<(), String>> + Send + 'static>(
        &self,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) {
        let _ = self.ready.set(Box::new(move || Box::pin(check())));
    }

    async fn accept(self, listener: TcpListener) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        // The semaphore is never closed, so the loop ends with the runtime.
        while let Ok(permit) = connections.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let probes = self.clone();
                    tokio::spawn(async move {
                        probes.talk(stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection to the probes");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves one request. If the client disconnects, only its own answer is lost.
    async fn talk(self, stream: TcpStream) {
        let answer = service_fn(|request| self.answer(request));
        let connection = http1::Builder::new()
            .keep_alive(false)
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .serve_connection(TokioIo::new(stream), answer);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "cannot answer a probe");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refused = json(StatusCode::METHOD_NOT_ALLOWED, r#"{"status":"method not allowed"}"#.to_owned());
            refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
            return Ok(refused);
        }
        Ok(match request.uri().path() {
            "/metrics" => text(self.metrics.render()),
            "/health" => text("OK".to_owned()),
            "/health/live" => json(StatusCode::OK, r#"{"status":"alive"}"#.to_owned()),
            "/health/ready" => match self.ready().await {
                Ok(()) => json(StatusCode::OK, r#"{"status":"ready"}"#.to_owned()),
                Err(reason) => json(StatusCode::SERVICE_UNAVAILABLE, not_ready(&reason)),
            },
            _ => json(StatusCode::NOT_FOUND, r#"{"status":"not found"}"#.to_owned()),
        })
    }

    async fn ready(&self) -> Result<(), String> {
        let Some(check) = self.ready.get() else { return Err("the service is starting".to_owned()) };
        tokio::time::timeout(READY_TIMEOUT, check()).await.unwrap_or_else(|_| Err("the check took too long".to_owned()))
    }
}

fn not_ready(reason: &str) -> String {
    // Debug formatting of a str escapes the same characters as JSON does, for the texts that occur here.
    format!(r#"{{"status":"not ready","reason":{reason:?}}}"#)
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    respond(status, "application/json", body)
}

fn text(body: String) -> Response<Full<Bytes>> {
    respond(StatusCode::OK, "text/plain; charset=utf-8", body)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use metrics_exporter_prometheus::PrometheusBuilder;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    #[tokio::test]
    async fn a_service_is_live_at_once_and_ready_while_its_check_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let recorder = PrometheusBuilder::new().build_recorder();
        let probes = Probes::serve_on(listener, recorder.handle());
        metrics::with_local_recorder(&recorder, || metrics::counter!("things_total").increment(2));

        assert_eq!(get(address, "/health/live").await, (200, r#"{"status":"alive"}"#.into()));
        assert_eq!(get(address, "/health").await.0, 200);
        let (status, body) = get(address, "/health/ready").await;
        assert_eq!(status, 503);
        assert!(body.contains("starting"), "{body}");

        let away = Arc::new(AtomicBool::new(false));
        let asked = away.clone();
        probes.ready_when(move || {
            let away = asked.load(Ordering::Relaxed);
            async move { if away { Err("the \"database\" is away".to_owned()) } else { Ok(()) } }
        });
        assert_eq!(get(address, "/health/ready").await, (200, r#"{"status":"ready"}"#.into()));
        away.store(true, Ordering::Relaxed);
        let refused = r#"{"status":"not ready","reason":"the \"database\" is away"}"#;
        assert_eq!(get(address, "/health/ready").await, (503, refused.into()));

        let (status, metrics) = get(address, "/metrics").await;
        assert!(status == 200 && metrics.contains("things_total 2"), "{metrics}");
        assert_eq!(get(address, "/elsewhere").await.0, 404);
    }
}
