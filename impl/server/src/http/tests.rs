//! One node of a group of one, over HTTP on whatever port is free.

mod operations;

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
        let address = start(directory.path(), None).await;
        test(address).await;
    });
}

async fn start(directory: &std::path::Path, verifier: Option<Verifier>) -> SocketAddr {
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
        checkpoint_bytes: 1 << 20,
        members: None,
        credentials: None,
        lease: true,
        replicas: vec![Replica { id: 0, address: any.to_owned() }],
    };
    let store = Store::open(&config, Start::First, None).map_err(|it| it.to_string()).unwrap();
    let (group, tuning) = (config.group(), config.tuning());
    let options = Options { group, peers: config.peers(), tuning, incarnation: 1, skew: None };
    let (node, running) =
        ringleader_node::start(options, store.wal, &store.recovered, store.state, peers).unwrap();
    tokio::task::spawn_local(running);
    tokio::task::spawn_local(crate::upkeep::run(node.clone()));
    let (place, random) = (Place::default(), Random::seeded());
    let service = Service { node, place, random, endpoint: address.to_string(), faults: None };
    tokio::task::spawn_local(run(api, service, verifier, std::future::pending()));
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
        assert!(created.starts_with("200 ") && created.contains("CREATING"), "{created}");
        let described = status_and_body(address, "DescribeTable", r#"{"TableName":"songs"}"#).await;
        assert!(described.contains(r#""TableStatus":"ACTIVE""#), "{described}");
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
        let expected = r#"{"version":1,"id":0,"term":1,"role":"leader","leader":0,"commit":2,"applied":2,"last":2,"log_start":0,"members":[0]}"#;
        assert!(status.ends_with(expected), "{status}");
        for (path, said) in [("/livez", "live"), ("/readyz", "ready")] {
            let answer = get(address, path).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert!(answer.ends_with(&format!("\r\n\r\n{said}\n")), "{answer}");
        }
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

/// Bytes on a new connection, and the answer as bytes.
async fn exchange_bytes(address: SocketAddr, request: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap(), body)
}

#[test]
fn bodies_may_be_compressed_both_ways() {
    with_node(|address| async move {
        let post = async |headers: &str, body: &[u8]| {
            let length = body.len();
            let head = format!(
                "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
                 content-length: {length}\r\n{headers}\r\n"
            );
            exchange_bytes(address, &[head.as_bytes(), body].concat()).await
        };
        let target = "x-amz-target: DynamoDB_20120810.";
        call(address, "CreateTable", TABLE).await;
        let text = "la".repeat(1_000);
        let item =
            format!(r#"{{"TableName":"songs","Item":{{"id":{{"S":"a"}},"t":{{"S":"{text}"}}}}}}"#);
        let packed = coding::deflate(item.as_bytes(), true).unwrap();
        let put = format!("{target}PutItem\r\ncontent-encoding: gzip\r\n");
        let (head, body) = post(&put, &packed).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && body == b"{}", "{head}");

        let key = br#"{"TableName":"songs","Key":{"id":{"S":"a"}}}"#;
        let get = format!("{target}GetItem\r\naccept-encoding: gzip\r\n");
        let (head, body) = post(&get, key).await;
        assert!(head.contains("content-encoding: gzip"), "{head}");
        let checksum = format!("x-amz-crc32: {}\r\n", header::body_checksum(&body));
        assert!(head.contains(&checksum), "the checksum is that of the bytes as sent: {head}");
        let content = String::from_utf8(coding::inflate(&body, 1 << 20).unwrap()).unwrap();
        assert!(content.contains(&text), "{content}");

        let (head, body) = post(&put, &packed[..packed.len() - 1]).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(String::from_utf8(body).unwrap().contains("SerializationException"));
        let bomb = coding::deflate(&vec![b' '; BODY_LENGTH_MAX + 1], true).unwrap();
        let (head, _) = post(&put, &bomb).await;
        assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
        let (head, _) = post(&format!("{target}PutItem\r\ncontent-encoding: br\r\n"), b"x").await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    });
}

#[test]
fn requests_may_follow_each_other_before_they_are_answered() {
    with_node(|address| async move {
        call(address, "CreateTable", TABLE).await;
        let request = |operation: &str, connection: &str, body: &str| {
            format!(
                "POST / HTTP/1.1\r\nhost: test\r\nconnection: {connection}\r\n\
                 content-length: {}\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n\r\n{body}",
                body.len()
            )
        };
        let put = |n: u8| {
            format!(r#"{{"TableName":"songs","Item":{{"id":{{"S":"a"}},"n":{{"N":"{n}"}}}}}}"#)
        };
        let get = r#"{"TableName":"songs","Key":{"id":{"S":"a"}},"ConsistentRead":true}"#;
        let requests: String = (0..5)
            .flat_map(|n| [("PutItem", put(n)), ("GetItem", get.to_owned())])
            .map(|(operation, body)| request(operation, "keep-alive", &body))
            .collect();
        let last = request("GetItem", "close", get);
        let answers = exchange(address, (requests + &last).as_bytes()).await;
        let read: Vec<&str> = answers.split(r#""n":{"N":""#).skip(1).map(|it| &it[..1]).collect();
        assert_eq!(read, ["0", "1", "2", "3", "4", "4"], "answers come in the order of requests");
    });
}

#[test]
fn pages_from_elsewhere_may_ask() {
    with_node(|address| async move {
        let preflight =
            b"OPTIONS / HTTP/1.1\r\nhost: test\r\nconnection: close\r\norigin: http://page\r\n\
                          access-control-request-method: POST\r\n\
                          access-control-request-headers: x-amz-target,authorization\r\n\r\n";
        let answer = exchange(address, preflight).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        for header in [
            "access-control-allow-origin: *",
            "access-control-allow-methods: POST",
            "access-control-allow-headers: x-amz-target,authorization",
        ] {
            assert!(answer.contains(header), "{answer}");
        }
        let request =
            b"POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\norigin: http://page\r\n\
                        content-length: 0\r\n\r\n";
        let answer = exchange(address, request).await;
        assert!(answer.contains("access-control-expose-headers: x-amzn-requestid"), "{answer}");
        assert!(!get(address, "/").await.contains("access-control"), "only pages are told");
    });
}

#[test]
fn headers_have_a_limit() {
    with_node(|address| async move {
        let long = "a".repeat(2 * HEADER_BYTES_MAX);
        let request =
            format!("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\nx-long: {long}\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    });
}

#[test]
fn only_who_may_sign_learns_more_than_that_the_body_is_no_json() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let file = "[a]\naws_access_key_id=A\naws_secret_access_key=s\n";
        let credentials = credentials::Credentials::parse(file).unwrap();
        let verifier = Verifier::new(credentials, "local".to_owned());
        let address = start(directory.path(), Some(verifier)).await;
        let check = async |operation: &str, body: &str, expected: &str| {
            let answer = status_and_body(address, operation, body).await;
            assert!(answer.starts_with("400 ") && answer.contains(expected), "{answer}");
        };
        check("CreateTable", TABLE, "#MissingAuthenticationTokenException").await;
        check("CreateTable", "{}", "#MissingAuthenticationTokenException").await;
        check("CreateTable", "{", "#SerializationException").await;
        check("Creat", "{}", "#UnknownOperationException").await;
        let health = get(address, "/").await;
        assert!(health.starts_with("HTTP/1.1 200 "), "health is for everybody: {health}");
    });
}
