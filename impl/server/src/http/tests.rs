//! One node of a group of one, over HTTP on whatever port is free.

use super::*;
use crate::config::{Config, Replica};
use crate::random::Random;
use crate::store::{Start, Store};
use ringleader_api::Place;
use ringleader_node::Options;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Runs a test against a node.
fn with_node<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr) -> F) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let address = start(directory.path()).await;
        test(address).await;
    });
}

async fn start(directory: &std::path::Path) -> SocketAddr {
    let any = "127.0.0.1:0";
    let api = TcpListener::bind(any).await.unwrap();
    let peers = TcpListener::bind(any).await.unwrap();
    let address = api.local_addr().unwrap();
    let config = Config {
        id: 0,
        data_dir: directory.join("node"),
        api_address: address,
        peer_address: peers.local_addr().unwrap(),
        election_timeout_ms: 10,
        heartbeat_interval_ms: 5,
        region: "local".to_owned(),
        replicas: vec![Replica { id: 0, address: any.to_owned() }],
    };
    let store = Store::open(&config, Start::First).map_err(|it| it.to_string()).unwrap();
    let options = Options { group: config.group(), peers: config.peers(), incarnation: 1 };
    let (node, running) =
        ringleader_node::start(options, store.wal, &store.recovered, store.state, peers).unwrap();
    tokio::task::spawn_local(running);
    let service = Service { node, place: Place::default(), random: Random::seeded() };
    tokio::task::spawn_local(run(api, service));
    address
}

/// Sends bytes on a new connection, and returns all that comes back until it is closed.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    exchange(address, request.as_bytes()).await
}

async fn call(address: SocketAddr, operation: &str, body: &str) -> (String, String) {
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\
         x-amz-target: DynamoDB_20120810.{operation}\r\n\r\n{body}"
    );
    let answer = exchange(address, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn status_and_body(address: SocketAddr, operation: &str, body: &str) -> String {
    let (head, body) = call(address, operation, body).await;
    let status = head.split(' ').nth(1).unwrap();
    format!("{status} {body}")
}

const TABLE: &str = r#"{"TableName":"songs","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;

#[test]
fn an_item_is_put_read_and_deleted() {
    with_node(|address| async move {
        let created = status_and_body(address, "CreateTable", TABLE).await;
        assert!(created.starts_with("200 ") && created.contains("ACTIVE"), "{created}");
        let check = async |operation: &str, body: &str, expected: &str| {
            assert_eq!(status_and_body(address, operation, body).await, expected);
        };
        let item = r#"{"id":{"S":"a"},"n":{"N":"1"}}"#;
        let key = r#"{"TableName":"songs","Key":{"id":{"S":"a"}}}"#;
        check("PutItem", &format!(r#"{{"TableName":"songs","Item":{item}}}"#), "200 {}").await;
        check("GetItem", key, &format!(r#"200 {{"Item":{item}}}"#)).await;
        let condition = "attribute_not_exists(id)";
        let conditional =
            format!(r#"{{"TableName":"songs","Item":{item},"ConditionExpression":"{condition}"}}"#);
        let refused = status_and_body(address, "PutItem", &conditional).await;
        assert!(
            refused.starts_with("400 ") && refused.contains("ConditionalCheckFailed"),
            "{refused}"
        );
        check("DeleteItem", key, "200 {}").await;
        check("GetItem", key, "200 {}").await;
    });
}

#[test]
fn every_answer_carries_its_checksum_and_a_request_id() {
    with_node(|address| async move {
        let (head, body) = call(address, "GetItem", "{").await;
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {head}")).trim().to_owned()
        };
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert_eq!(header("content-type:"), "application/x-amz-json-1.0");
        assert_eq!(header("x-amz-crc32:"), header::body_checksum(body.as_bytes()).to_string());
        assert_eq!(header("x-amzn-requestid:").len(), 52);
    });
}

#[test]
fn health_and_status_are_told() {
    with_node(|address| async move {
        let health = get(address, "/").await;
        assert!(health.ends_with("\r\n\r\nhealthy: dynamodb.local.amazonaws.com "), "{health}");
        // A first answer means that there is a leader.
        call(address, "CreateTable", TABLE).await;
        let status = get(address, "/ringleader/status").await;
        let expected = r#"{"version":1,"id":0,"term":1,"role":"leader","leader":0,"commit":2,"applied":2,"last":2}"#;
        assert!(status.ends_with(expected), "{status}");
        assert!(get(address, "/elsewhere").await.starts_with("HTTP/1.1 404 "));
    });
}

#[test]
fn a_body_over_the_limit_is_refused_however_it_is_sent() {
    with_node(|address| async move {
        let body = vec![b' '; BODY_LENGTH_MAX + 1];
        let head = "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n";
        let announced = format!("{head}content-length: {}\r\n\r\n", body.len());
        let answer = exchange(address, &[announced.as_bytes(), &body].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len());
        let request = [chunked.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        let answer = exchange(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    });
}

#[test]
fn strangers_on_the_api_port_are_turned_away() {
    with_node(|address| async move {
        let answer = exchange(address, b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(get(address, "/").await.starts_with("HTTP/1.1 200 "));
    });
}
