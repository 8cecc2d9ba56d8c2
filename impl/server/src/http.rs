//! The HTTP listener: one route for the API, one for health, one for the replica's status.

use crate::limits::{
    BODY_DISCARDED_MAX, BODY_LENGTH_MAX, BODY_UNIT_LENGTH, BODY_UNITS_MAX, CONNECTIONS_MAX,
};
use crate::service::Service;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ringleader_api::{ApiError, ErrorKind, header};
use ringleader_node::Handle;
use ringleader_replica::Role;
use serde::Serialize;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Wait after a connection could not be accepted, most likely for want of descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Serves clients for ever.
pub(crate) async fn run(listener: TcpListener, service: Service) {
    let server = Rc::new(Server { service, body_units: Semaphore::new(BODY_UNITS_MAX) });
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
        let server = Rc::clone(&server);
        tokio::task::spawn_local(async move {
            let _slot = slot;
            let answer = service_fn(|request| {
                let server = Rc::clone(&server);
                async move { Ok::<_, Infallible>(server.answer(request).await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%address, %error, "closed a client's connection");
            }
        });
    }
}

struct Server {
    service: Service,
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
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/") => self.answer_api(request).await,
            (&Method::GET, "/") => {
                let region = &self.service.place.region;
                let text = format!("healthy: dynamodb.{region}.amazonaws.com ");
                plain(StatusCode::OK, "text/plain", text)
            }
            (&Method::GET, "/ringleader/status") => {
                plain(StatusCode::OK, "application/json", status_of(&self.service.node))
            }
            _ => plain(StatusCode::NOT_FOUND, "text/plain", "not found".to_owned()),
        }
    }

    async fn answer_api(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let target = request.headers().get("x-amz-target").and_then(|it| it.to_str().ok());
        let target = target.unwrap_or_default().to_owned();
        let answered = match self.read_body(request.into_body()).await {
            Ok(Some(body)) => self.service.answer(&target, &body).await,
            Ok(None) => {
                let message = format!("The body is longer than {BODY_LENGTH_MAX} bytes");
                Err(ApiError::new(ErrorKind::RequestTooLarge, message))
            }
            Err(error) => Err(ApiError::new(ErrorKind::Serialization, error.to_string())),
        };
        match answered {
            Ok(body) => self.api_response(StatusCode::OK, body),
            Err(error) => {
                let status = StatusCode::from_u16(error.status());
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                self.api_response(status, error.encode())
            }
        }
    }

    /// Reads a body of at most the API's length; none if it is longer.
    async fn read_body(
        &self,
        body: Incoming,
    ) -> Result<Option<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        let announced = body.size_hint().exact();
        let length = announced.unwrap_or(BODY_LENGTH_MAX as u64);
        if length > BODY_LENGTH_MAX as u64 {
            discard(body).await;
            return Ok(None);
        }
        let units = length.div_ceil(BODY_UNIT_LENGTH as u64).max(1);
        let units = u32::try_from(units).expect("the longest body is 256 units");
        let _units = self.body_units.acquire_many(units).await?;
        match Limited::new(body, BODY_LENGTH_MAX).collect().await {
            Ok(body) => Ok(Some(body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn api_response(&self, status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
        let id = header::request_id(self.service.random.bytes());
        let id = HeaderValue::try_from(id).expect("a request id is letters and digits");
        let checksum = HeaderValue::from(header::body_checksum(&body));
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(header::CONTENT_TYPE));
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
        headers.insert(HeaderName::from_static("x-amz-crc32"), checksum);
        response
    }
}

/// Reads what will not be used, so that a client that sends before it listens hears our answer.
async fn discard(mut body: Incoming) {
    let mut left = BODY_DISCARDED_MAX;
    while left > 0 {
        let Some(Ok(frame)) = body.frame().await else { return };
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
}

fn plain(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn status_of(node: &Handle) -> String {
    let status = node.status();
    let document = StatusDocument {
        version: 1,
        id: node.id().0,
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
    };
    serde_json::to_string(&document).expect("numbers and names are JSON")
}

#[cfg(test)]
mod tests;
