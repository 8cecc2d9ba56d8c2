//! The HTTP listener: one route for the API, one for health, one for the replica's status, one for
//! changes of the group.
//!
//! Of an API request, in this order: read the body (bounded in bytes and in time), inflate it,
//! translate it, check its signature. A body that is not JSON is told so whoever sent it; whatever
//! else is wrong with a request is told only to those who may sign.

mod coding;
pub(crate) mod credentials;
mod health;
mod members;
pub(crate) mod signature;

use crate::faults::Toll;
use crate::limits::{
    BODY_DISCARDED_MAX, BODY_LENGTH_MAX, BODY_TIMEOUT, BODY_UNIT_LENGTH, BODY_UNITS_MAX,
    CONNECTIONS_MAX, DRAIN_MAX, HEADER_BYTES_MAX, HEADER_TIMEOUT,
};
use crate::service::{Service, unix_ms};
use bytes::Bytes;
use coding::{BodyError, Coding};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN,
};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use ringleader_api::{ApiError, ErrorKind, header};
use ringleader_replica::Role;
use serde::Serialize;
use signature::Verifier;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Wait after a connection could not be accepted, most likely for want of descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Serves clients until `stop`; then finishes the requests that it has, for at most [`DRAIN_MAX`].
pub(crate) async fn run(
    listener: TcpListener,
    service: Service,
    verifier: Option<Verifier>,
    stop: impl Future<Output = ()>,
) {
    let connections = GracefulShutdown::new();
    tokio::select! {
        never = accept(&listener, service, verifier, &connections) => match never {},
        () = stop => {}
    }
    drop(listener);
    if timeout(DRAIN_MAX, connections.shutdown()).await.is_err() {
        tracing::warn!("requests of clients are left without an answer");
    }
}

async fn accept(
    listener: &TcpListener,
    service: Service,
    verifier: Option<Verifier>,
    connections: &GracefulShutdown,
) -> Infallible {
    let body_units = Semaphore::new(BODY_UNITS_MAX);
    let server = Rc::new(Server { service, verifier, body_units });
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("nobody closes it");
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection from a client");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        // Without it, an answer waits for the client's delayed acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%address, %error, "cannot set TCP_NODELAY");
        }
        let (server, watcher) = (Rc::clone(&server), connections.watcher());
        tokio::task::spawn_local(async move {
            let _slot = slot;
            let answer = service_fn(|request| {
                let server = Rc::clone(&server);
                async move { Ok::<_, Infallible>(server.answer(request, address.ip()).await) }
            });
            let mut http = http1::Builder::new();
            // Also ends connections that nobody uses.
            http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            http.max_buf_size(HEADER_BYTES_MAX);
            let connection = http.serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%address, %error, "closed a client's connection");
            }
        });
    }
}

struct Server {
    service: Service,
    /// Without one, everybody may do everything.
    verifier: Option<Verifier>,
    /// Bounds the bytes of request bodies in memory.
    body_units: Semaphore,
}

/// `GET /ringleader/status`.
#[derive(Debug, Serialize)]
struct StatusDocument {
    version: u32,
    id: u8,
    term: u64,
    role: &'static str,
    leader: Option<u8>,
    commit: u64,
    applied: u64,
    last: u64,
    /// The last entry that is not in the log any more.
    log_start: u64,
    /// Who takes part in the group.
    members: Vec<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Toll>,
}

impl Server {
    async fn answer(&self, request: Request<Incoming>, from: IpAddr) -> Response<Full<Bytes>> {
        let from_a_page = request.headers().contains_key(ORIGIN);
        let mut response = match (request.method(), request.uri().path()) {
            (&Method::POST, "/") => self.answer_api(request).await,
            (&Method::OPTIONS, "/") => preflight(&request),
            (&Method::GET, "/") => {
                let region = &self.service.place.region;
                let text = format!("healthy: dynamodb.{region}.amazonaws.com ");
                plain(StatusCode::OK, "text/plain", text)
            }
            (&Method::GET, "/ringleader/status") => {
                plain(StatusCode::OK, "application/json", status_of(&self.service))
            }
            (&Method::GET, "/livez") => told(health::live(&self.service.node.status())),
            (&Method::GET, "/readyz") => told(health::ready(&self.service.node.status())),
            (&Method::POST, "/ringleader/members") => {
                let (status, text) = members::answer(&self.service.node, &request, from).await;
                plain(status, "application/json", text)
            }
            _ => plain(StatusCode::NOT_FOUND, "text/plain", "not found".to_owned()),
        };
        if from_a_page {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
        response
    }

    async fn answer_api(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let answer = match timeout(BODY_TIMEOUT, self.read_body(&parts, body)).await {
            Ok(Ok(body)) => self.answer_body(&parts, body).await,
            Ok(Err(error)) => Reply::failed(&error),
            Err(_) => {
                let seconds = BODY_TIMEOUT.as_secs();
                let message = format!("The body did not arrive within {seconds} s");
                Reply::failed(&ApiError::new(ErrorKind::Serialization, message))
            }
        };
        self.api_response(answer, coding::accepts_gzip(&parts.headers))
    }

    async fn answer_body(&self, parts: &Parts, body: ReadBody<'_>) -> Reply {
        let target = parts.headers.get("x-amz-target").and_then(|it| it.to_str().ok());
        let parsed = ringleader_api::parse(target.unwrap_or_default(), &body.content);
        let told_to_all = |error: &ApiError| {
            matches!(error.kind(), ErrorKind::Serialization | ErrorKind::UnknownOperation)
        };
        if let Some(verifier) = &self.verifier
            && !parsed.as_ref().is_err_and(told_to_all)
        {
            let query = parts.uri.query().unwrap_or_default();
            let now = unix_ms() / 1_000;
            if let Err(error) = verifier.verify(query, &parts.headers, &body.sent, now) {
                return Reply::failed(&error);
            }
        }
        let answered = match parsed {
            Ok(request) => self.service.answer(request).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(body) => Reply { status: StatusCode::OK, body },
            Err(error) => Reply::failed(&error),
        }
    }

    /// Reads and inflates a body of at most the API's length.
    async fn read_body(&self, parts: &Parts, body: Incoming) -> Result<ReadBody<'_>, ApiError> {
        let too_long = || {
            let message = format!("The body is longer than {BODY_LENGTH_MAX} bytes");
            ApiError::new(ErrorKind::RequestTooLarge, message)
        };
        let damaged = |message: String| ApiError::new(ErrorKind::Serialization, message);
        let Some(coding) = Coding::of(&parts.headers) else {
            discard(body).await;
            return Err(damaged("The body has a Content-Encoding other than gzip".to_owned()));
        };
        let announced = body.size_hint().exact().unwrap_or(BODY_LENGTH_MAX as u64);
        if announced > BODY_LENGTH_MAX as u64 {
            discard(body).await;
            return Err(too_long());
        }
        // A compressed body tells nothing about the length of its content.
        let length = if coding == Coding::Gzip { BODY_LENGTH_MAX as u64 } else { announced };
        let units = length.div_ceil(BODY_UNIT_LENGTH as u64).max(1);
        let units = u32::try_from(units).expect("the longest body is 256 units");
        let units = self.body_units.acquire_many(units).await.expect("nobody closes it");
        let sent = match Limited::new(body, BODY_LENGTH_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_long()),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let content = match coding {
            Coding::Identity => sent.clone(),
            Coding::Gzip => match coding::inflate(&sent, BODY_LENGTH_MAX) {
                Ok(content) => content.into(),
                Err(BodyError::TooLong) => return Err(too_long()),
                Err(BodyError::Damaged) => return Err(damaged("The body is not gzip".to_owned())),
            },
        };
        Ok(ReadBody { sent, content, _units: units })
    }

    fn api_response(&self, reply: Reply, accepts_gzip: bool) -> Response<Full<Bytes>> {
        let Reply { status, body } = reply;
        let compressed = coding::deflate(&body, accepts_gzip);
        let is_compressed = compressed.is_some();
        let body = compressed.unwrap_or(body);
        let id = header::request_id(self.service.random.bytes());
        let id = HeaderValue::try_from(id).expect("a request id is letters and digits");
        let checksum = HeaderValue::from(header::body_checksum(&body));
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(header::CONTENT_TYPE));
        if is_compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
        headers.insert(HeaderName::from_static("x-amz-crc32"), checksum);
        response
    }
}

/// A request's body: as it was sent, which is what was signed, and what it says.
struct ReadBody<'a> {
    sent: Bytes,
    content: Bytes,
    /// Held as long as the bytes are.
    _units: SemaphorePermit<'a>,
}

/// What an API request is answered.
struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

impl Reply {
    fn failed(error: &ApiError) -> Self {
        let status = StatusCode::from_u16(error.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, body: error.encode() }
    }
}

/// Headers of an answer that a page from elsewhere may read.
const EXPOSED: &str = "x-amzn-requestid, x-amz-crc32";

/// What a browser asks before it lets a page from elsewhere speak to us: everybody may, the
/// signature decides.
fn preflight(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, OPTIONS"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("172800"));
    if let Some(wanted) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    response
}

/// Reads what will not be used, so that a client that sends before it listens hears our answer.
async fn discard(mut body: Incoming) {
    let mut left = BODY_DISCARDED_MAX;
    while left > 0 {
        let Some(Ok(frame)) = body.frame().await else { return };
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
}

/// An answer of one line.
fn told((status, text): (StatusCode, &str)) -> Response<Full<Bytes>> {
    plain(status, "text/plain", format!("{text}\n"))
}

fn plain(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn status_of(service: &Service) -> String {
    let status = service.node.status();
    let document = StatusDocument {
        version: 1,
        id: service.node.id().0,
        term: status.term.0,
        role: match status.role {
            Role::Leader => "leader",
            Role::Candidate => "candidate",
            Role::Follower => "follower",
            Role::Halted => "halted",
        },
        leader: status.leader.map(|it| it.0),
        commit: status.commit.0,
        applied: status.applied.0,
        last: status.last.0,
        log_start: status.start.0,
        members: status.voters.iter().map(|it| it.0).collect(),
        faults: service.faults.as_ref().map(|it| it.toll()),
    };
    serde_json::to_string(&document).expect("numbers and names are JSON")
}

#[cfg(test)]
mod tests;
