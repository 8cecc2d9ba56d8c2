//! The least that an HTTP server with JSON bodies can do: it reads the body, parses it as JSON and
//! answers 900 bytes, whatever was asked. What the API server costs beyond that is what the API, the
//! replicated log and the tables cost; `docs/results/load/compare.sh` measures both in one run.
//!
//! One thread, the same runtime and the same HTTP library with the same settings as the server.
//!
//! ```text
//! cargo run --release -p ringleader --example stub -- 127.0.0.1:8900
//! ```

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

/// The length of every answer.
const ANSWER_LENGTH: usize = 900;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    static ANSWER: [u8; ANSWER_LENGTH] = [b' '; ANSWER_LENGTH];
    let parsed = match request.into_body().collect().await {
        Ok(body) => serde_json::from_slice::<serde_json::Value>(&body.to_bytes()).is_ok(),
        Err(_) => false,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(&ANSWER)));
    if !parsed {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        tokio::task::spawn_local(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new());
            // A connection that breaks is the client's business.
            drop(http.serve_connection(TokioIo::new(stream), service_fn(answer)).await);
        });
    }
}

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("usage: stub ADDRESS");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    LocalSet::new().block_on(&runtime, async {
        match TcpListener::bind(&address).await {
            Ok(listener) => {
                println!("ready: {address}");
                serve(listener).await;
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("cannot listen at {address}: {error}");
                ExitCode::from(2)
            }
        }
    })
}
