//! The benchmark's rival: an actix server that does nothing but answer every path with the bytes of one file, after
//! reading what was posted.
//!
//!     bare <port> <file>
//!
//! `API_WORKERS` sets its worker threads as it sets the API's.

use actix_web::http::Method;
use actix_web::web::{self, Bytes, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};

async fn answer(request: HttpRequest, posted: Payload, body: Data<Bytes>) -> actix_web::Result<HttpResponse> {
    if request.method() == Method::POST {
        posted.to_bytes().await?;
    }
    Ok(HttpResponse::Ok().content_type("application/json").body(body.get_ref().clone()))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let usage = || std::io::Error::other("usage: bare <port> <file>");
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().and_then(|port| port.parse().ok()).ok_or_else(usage)?;
    let body = Data::new(Bytes::from(std::fs::read(args.next().ok_or_else(usage)?)?));
    let workers = std::env::var("API_WORKERS").ok().and_then(|workers| workers.parse().ok()).filter(|n| *n > 0);

    HttpServer::new(move || App::new().app_data(body.clone()).default_service(web::to(answer)))
        .workers(workers.unwrap_or_else(api::default_workers))
        .bind(("127.0.0.1", port))?
        .run()
        .await
}
