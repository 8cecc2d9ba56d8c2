//! Every way an exchange can end, played by a scripted listener: which outcomes are refused, which
//! unknown. A wrong answer here would make the history checker accuse, or acquit, wrongly.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use ringleader_client::{Client, Condition, Item, Outcome};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the listener does with one request.
enum Act {
    /// Answers with this status line and body.
    Answer(&'static str, &'static str),
    /// Reads the request, then closes the connection without a word.
    Close,
    /// Answers with the first half of an answer, then closes.
    Half,
    /// Answers, then closes although the connection was to be kept.
    AnswerAndClose(&'static str, &'static str),
    /// Reads the request and never answers.
    Silence,
}

const TIMEOUT: Duration = Duration::from_secs(3);

/// A listener that plays the acts in turn, over as many connections as the client opens, and in
/// the end returns the bodies it received.
async fn scripted(acts: Vec<Act>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let played = tokio::spawn(async move {
        let mut bodies = Vec::new();
        let mut kept: Option<TcpStream> = None;
        for act in acts {
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => listener.accept().await.unwrap().0,
            };
            bodies.push(read_request(&mut stream).await);
            match act {
                Act::Answer(status, body) => {
                    answer(&mut stream, status, body).await;
                    kept = Some(stream);
                }
                Act::AnswerAndClose(status, body) => answer(&mut stream, status, body).await,
                Act::Close => {}
                Act::Half => {
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")
                        .await
                        .unwrap();
                }
                Act::Silence => {
                    // Held open until the client gives up and closes.
                    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
                }
            }
        }
        bodies
    });
    (address, played)
}

async fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Reads one request and returns its operation and body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_lowercase().starts_with(name));
                line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
            };
            let length: usize = header("content-length").map_or(0, |value| value.parse().unwrap());
            if body.len() >= length {
                return format!("{} {body}", header("x-amz-target").unwrap_or_default());
            }
        }
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the client closed in the middle of a request: {text:?}");
        bytes.extend_from_slice(&chunk[..read]);
    }
}

fn item(json: &serde_json::Value) -> Item {
    json.as_object().unwrap().clone()
}

fn key() -> Item {
    item(&json!({"k": {"S": "k1"}}))
}

async fn put_once(acts: Vec<Act>) -> Outcome<()> {
    let (address, _played) = scripted(acts).await;
    let mut client = Client::new(address, TIMEOUT);
    client.put("t", &key(), None).await
}

fn code<T: std::fmt::Debug>(outcome: &Outcome<T>) -> &str {
    match outcome {
        Outcome::Refused(reason) | Outcome::Unknown(reason) => &reason.code,
        Outcome::Ok(_) | Outcome::ConditionFailed { .. } => panic!("not an error: {outcome:?}"),
    }
}

#[tokio::test]
async fn an_answer_of_200_is_done() {
    assert_eq!(put_once(vec![Act::Answer("200 OK", "{}")]).await, Outcome::Ok(()));
}

#[tokio::test]
async fn a_status_of_500_on_a_write_is_unknown() {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"m"}"#;
    let outcome = put_once(vec![Act::Answer("500 Internal Server Error", body)]).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    assert_eq!(code(&outcome), "InternalServerError");
    let outcome = put_once(vec![Act::Answer("503 Service Unavailable", "")]).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_status_of_400_is_refused() {
    let body = r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"no"}"#;
    let outcome = put_once(vec![Act::Answer("400 Bad Request", body)]).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    assert_eq!(code(&outcome), "ValidationException");
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_left_is_unknown() {
    for act in [Act::Close, Act::Half] {
        let outcome = put_once(vec![act]).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        assert_eq!(code(&outcome), "broken");
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_refused() {
    // A port that was free a moment ago, and whose listener is gone.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let outcome = Client::new(address, TIMEOUT).put("t", &key(), None).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    assert_eq!(code(&outcome), "not connected");
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_unknown() {
    let started = tokio::time::Instant::now();
    let (address, played) = scripted(vec![Act::Silence]).await;
    let mut client = Client::new(address, TIMEOUT);
    let outcome = client.put("t", &key(), None).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    assert_eq!(code(&outcome), "no answer");
    assert!(started.elapsed() >= TIMEOUT);
    // The connection was given up, so a late answer can never be taken for the next one's.
    assert_eq!(played.await.unwrap().len(), 1, "the write was sent once");
}

#[tokio::test]
async fn a_write_is_never_sent_twice() {
    let (address, played) = scripted(vec![Act::Close, Act::Answer("200 OK", "{}")]).await;
    let mut client = Client::new(address, TIMEOUT);
    let first = client.put("t", &item(&json!({"k": {"S": "first"}})), None).await;
    assert!(matches!(first, Outcome::Unknown(_)), "{first:?}");
    let second = client.put("t", &item(&json!({"k": {"S": "second"}})), None).await;
    assert_eq!(second, Outcome::Ok(()));
    let bodies = played.await.unwrap();
    assert!(bodies[0].contains("first") && bodies[1].contains("second"), "{bodies:?}");
}

#[tokio::test]
async fn an_idle_connection_that_the_node_closed_is_replaced() {
    let acts = vec![Act::AnswerAndClose("200 OK", "{}"), Act::Answer("200 OK", "{}")];
    let (address, played) = scripted(acts).await;
    let mut client = Client::new(address, TIMEOUT);
    assert_eq!(client.put("t", &key(), None).await, Outcome::Ok(()));
    // Whether the close is noticed before or while sending, nothing was lost: done or refused,
    // never unknown, and the attempt after that has a new connection.
    loop {
        match client.put("t", &key(), None).await {
            Outcome::Ok(()) => break,
            Outcome::Refused(reason) => assert_eq!(reason.code, "not sent"),
            Outcome::Unknown(reason) if reason.code == "broken" => {
                // The bytes left before the close arrived: that is honestly unknown.
            }
            other @ (Outcome::Unknown(_) | Outcome::ConditionFailed { .. }) => panic!("{other:?}"),
        }
    }
    assert_eq!(played.await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_failed_condition_reports_the_item_it_found() {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message":"The conditional request failed","Item":{"k":{"S":"k1"},"v":{"N":"7"}}}"#;
    let (address, played) = scripted(vec![Act::Answer("400 Bad Request", body)]).await;
    let condition = Condition::new("#v = :old").name("#v", "v").value(":old", json!({"N": "6"}));
    let outcome = Client::new(address, TIMEOUT).put("t", &key(), Some(&condition)).await;
    let old = item(&json!({"k": {"S": "k1"}, "v": {"N": "7"}}));
    assert_eq!(outcome, Outcome::ConditionFailed { old: Some(old) });
    let sent = played.await.unwrap().remove(0);
    let (operation, body) = sent.split_once(' ').unwrap();
    assert_eq!(operation, "DynamoDB_20120810.PutItem");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        json!({
            "TableName": "t", "Item": {"k": {"S": "k1"}},
            "ConditionExpression": "#v = :old",
            "ExpressionAttributeNames": {"#v": "v"},
            "ExpressionAttributeValues": {":old": {"N": "6"}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        })
    );
}

#[tokio::test]
async fn reads_and_status_are_parsed_and_nonsense_is_unknown() {
    let (address, _played) = scripted(vec![
        Act::Answer("200 OK", r#"{"Item":{"v":{"N":"7"}}}"#),
        Act::Answer("200 OK", "{}"),
        Act::Answer("200 OK", "[1,"),
        Act::Answer(
            "200 OK",
            r#"{"version":1,"id":2,"term":3,"role":"follower","leader":0,"commit":12,"applied":11,"last":13}"#,
        ),
    ])
    .await;
    let mut client = Client::new(address, TIMEOUT);
    assert_eq!(client.get("t", &key()).await, Outcome::Ok(Some(item(&json!({"v": {"N": "7"}})))));
    assert_eq!(client.get("t", &key()).await, Outcome::Ok(None));
    assert_eq!(code(&client.get("t", &key()).await), "unreadable");
    let Outcome::Ok(status) = client.status().await else { panic!("no status") };
    assert_eq!((status.id, status.term, status.leader, status.last), (2, 3, Some(0), 13));
}
