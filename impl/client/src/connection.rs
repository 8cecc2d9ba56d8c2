//! One keep-alive connection to one node, and the sorting of everything that can go wrong on it.
//!
//! The order of events decides between *refused* and *unknown*: until the request is handed to the
//! connection nothing can have happened; from then on everything can, until an answer says so.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::outcome::{Outcome, Reason};
use crate::request::{self, Call, Condition, ErrorBody, GetBody, Item, Status};

/// Names the operation, DynamoDB's way.
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// The longest answer that is read: a page of a query is 1 MB, its JSON a few times that.
const ANSWER_LENGTH_MAX: usize = 16 << 20;

/// A client of one node. Requests are sent one at a time and never twice.
pub struct Client {
    node: SocketAddr,
    timeout: Duration,
    authorization: Option<HeaderValue>,
    /// Present while the last exchange on it ended well.
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// An answer as it arrived.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

/// Why there is no answer.
enum NoAnswer {
    /// The request certainly did not leave.
    NotSent(Reason),
    /// The request left, wholly or in part.
    Lost(Reason),
}

impl Client {
    /// A client of the node at `node` that waits at most `timeout` for each answer, connecting
    /// included. Nothing is sent before the first request.
    #[must_use]
    pub fn new(node: SocketAddr, timeout: Duration) -> Self {
        Self { node, timeout, authorization: None, connection: None }
    }

    /// Creates a table with one partition key of type string.
    pub async fn create_table(&mut self, table: &str, partition_key: &str) -> Outcome<()> {
        self.perform(request::create_table(table, partition_key)).await.map(drop)
    }

    /// Reads one item with a strong read; `None` if there is none.
    pub async fn get(&mut self, table: &str, key: &Item) -> Outcome<Option<Item>> {
        match self.perform(request::get(table, key)).await.map(|body| serde_json::from_slice(&body))
        {
            Outcome::Ok(Ok(GetBody { item })) => Outcome::Ok(item),
            Outcome::Ok(Err(error)) => Outcome::Unknown(Reason::new("unreadable", error)),
            Outcome::ConditionFailed { old } => Outcome::ConditionFailed { old },
            Outcome::Refused(reason) => Outcome::Refused(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    /// Writes one item, whole, if the condition holds.
    pub async fn put(
        &mut self,
        table: &str,
        item: &Item,
        condition: Option<&Condition>,
    ) -> Outcome<()> {
        self.perform(request::put(table, item, condition)).await.map(drop)
    }

    /// Deletes one item if the condition holds. Deleting what is not there succeeds.
    pub async fn delete(
        &mut self,
        table: &str,
        key: &Item,
        condition: Option<&Condition>,
    ) -> Outcome<()> {
        self.perform(request::delete(table, key, condition)).await.map(drop)
    }

    /// The node's own view of its replication group.
    pub async fn status(&mut self) -> Outcome<Status> {
        let request = self.request(Method::GET, "/ringleader/status", Full::default());
        match self.exchange(request).await {
            Ok(answer) if answer.status == StatusCode::OK => {
                match serde_json::from_slice(&answer.body) {
                    Ok(status) => Outcome::Ok(status),
                    Err(error) => Outcome::Unknown(Reason::new("unreadable", error)),
                }
            }
            Ok(answer) => Outcome::Unknown(Reason::new(answer.status.as_str(), "no status")),
            Err(NoAnswer::NotSent(reason)) => Outcome::Refused(reason),
            Err(NoAnswer::Lost(reason)) => Outcome::Unknown(reason),
        }
    }

    /// Asks for any operation of the API, with its body as JSON, and returns the answer as JSON.
    pub async fn call(&mut self, operation: &str, body: &Value) -> Outcome<Value> {
        let operation = operation.to_owned();
        parsed(self.perform(Call { operation, body: body.clone() }).await)
    }

    /// Posts JSON to any path of a server that speaks HTTP, and sorts what comes back by the same
    /// rules: a status of the 400s promises that nothing was done.
    pub async fn post(&mut self, path: &str, body: &Value) -> Outcome<Value> {
        let mut request =
            self.request(Method::POST, path, Full::new(Bytes::from(body.to_string())));
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self.exchange(request).await {
            Ok(answer) => parsed(judge(&answer)),
            Err(NoAnswer::NotSent(reason)) => Outcome::Refused(reason),
            Err(NoAnswer::Lost(reason)) => Outcome::Unknown(reason),
        }
    }

    /// Sends this with every request, as servers want it that read who asks out of a signature.
    #[must_use]
    pub fn with_authorization(mut self, authorization: &'static str) -> Self {
        self.authorization = Some(HeaderValue::from_static(authorization));
        self
    }

    /// Whether the connection of the last exchange is still open, as far as is known: the next
    /// request then goes to the same process.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| !connection.is_closed())
    }

    async fn perform(&mut self, call: Call) -> Outcome<Bytes> {
        let body = Full::new(Bytes::from(call.body.to_string()));
        let mut request = self.request(Method::POST, "/", body);
        let target = format!("DynamoDB_20120810.{}", call.operation);
        let target = HeaderValue::try_from(target).expect("operations are ASCII words");
        request.headers_mut().insert(TARGET, target);
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        match self.exchange(request).await {
            Ok(answer) => judge(&answer),
            Err(NoAnswer::NotSent(reason)) => Outcome::Refused(reason),
            Err(NoAnswer::Lost(reason)) => Outcome::Unknown(reason),
        }
    }

    fn request(&self, method: Method, path: &str, body: Full<Bytes>) -> Request<Full<Bytes>> {
        let builder = Request::builder().method(method).uri(path);
        let mut builder = builder.header(HOST, self.node.to_string());
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        builder.body(body).expect("every path is well formed, and so is every socket address")
    }

    /// Sends one request and waits for its answer. Whatever goes wrong, the connection is given
    /// up: a late answer to this request must never be taken for the answer to the next one.
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        let deadline = Instant::now() + self.timeout;
        let mut connection = self.connected(deadline).await?;
        let sent = tokio::time::timeout_at(deadline, send(&mut connection, request)).await;
        let Ok(answer) = sent else {
            let waited = format!("after {} ms", self.timeout.as_millis());
            return Err(NoAnswer::Lost(Reason::new("no answer", waited)));
        };
        let answer = answer?;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn connected(&mut self, deadline: Instant) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let not_connected = |error: &dyn std::fmt::Display| {
            NoAnswer::NotSent(Reason::new("not connected", error.to_string()))
        };
        match tokio::time::timeout_at(deadline, connect(self.node)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(not_connected(&error)),
            Err(elapsed) => Err(not_connected(&elapsed)),
        }
    }
}

async fn connect(
    node: SocketAddr,
) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(node).await?;
    stream.set_nodelay(true)?;
    let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
    // The driver ends with the connection; what broke it is reported to the request in flight.
    tokio::spawn(driver);
    Ok(connection)
}

async fn send(
    connection: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, NoAnswer> {
    let broken =
        |error: &dyn std::fmt::Display| NoAnswer::Lost(Reason::new("broken", error.to_string()));
    let response = match connection.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            // hyper hands the request back only if it wrote no byte of it: the node had closed an
            // idle connection.
            let unsent = error.take_message().is_some();
            let error = error.into_error();
            return Err(if unsent {
                NoAnswer::NotSent(Reason::new("not sent", error))
            } else {
                broken(&error)
            });
        }
    };
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_LENGTH_MAX).collect().await;
    match body {
        Ok(body) => Ok(Answer { status, body: body.to_bytes() }),
        Err(error) => Err(broken(&error)),
    }
}

/// The body of an answer as JSON.
fn parsed(outcome: Outcome<Bytes>) -> Outcome<Value> {
    match outcome.map(|body| serde_json::from_slice(&body)) {
        Outcome::Ok(Ok(body)) => Outcome::Ok(body),
        Outcome::Ok(Err(error)) => Outcome::Unknown(Reason::new("unreadable", error)),
        Outcome::ConditionFailed { old } => Outcome::ConditionFailed { old },
        Outcome::Refused(reason) => Outcome::Refused(reason),
        Outcome::Unknown(reason) => Outcome::Unknown(reason),
    }
}

/// Sorts a whole answer. Only a status of the 400s promises that nothing was done.
fn judge(answer: &Answer) -> Outcome<Bytes> {
    if answer.status == StatusCode::OK {
        return Outcome::Ok(answer.body.clone());
    }
    let error: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status.is_client_error() {
        if error.name() == "ConditionalCheckFailedException" {
            return Outcome::ConditionFailed { old: error.item };
        }
        return Outcome::Refused(reason(answer.status, &error));
    }
    Outcome::Unknown(reason(answer.status, &error))
}

fn reason(status: StatusCode, error: &ErrorBody) -> Reason {
    let code = if error.name().is_empty() { status.as_str() } else { error.name() };
    Reason::new(code, &error.message)
}
