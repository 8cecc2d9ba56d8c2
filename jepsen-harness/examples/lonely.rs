//! A database node that is broken on purpose: it keeps items in memory and never replicates them.
//!
//! It takes the same command line, configuration and requests as `ringleader serve`, so the
//! harness can be pointed at it, and must find it out: what one node acknowledged the others do
//! not know, and a killed node forgets everything. A judge who never convicts proves nothing.
//!
//! ```sh
//! cargo build --release -p jepsen-harness --example lonely
//! cargo jepsen run --server target/release/examples/lonely --faults kill-all --seconds 5
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The items of this node, and of nobody else.
type Items = Arc<Mutex<BTreeMap<String, Value>>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `--bootstrap` and `--stop-with-stdin` may follow: there is no store to make, and who starts
    // this node kills it.
    let [command, flag, file, ..] = arguments.as_slice() else { bail!("serve --config FILE") };
    if command != "serve" || flag != "--config" {
        bail!("serve --config FILE");
    }
    let config: toml::Table = toml::from_str(&std::fs::read_to_string(file)?)?;
    let id = config["id"].as_integer().context("id is no number")?;
    let text = |name: &str| config[name].as_str().map(str::to_owned).context("no address");
    let (api, peer) = (text("api_address")?, text("peer_address")?);
    let listener = TcpListener::bind(&api)?;
    let peers = TcpListener::bind(&peer)?;
    thread::spawn(move || hear(&peers));
    for replica in config["replicas"].as_array().context("replicas is no list")? {
        let address = replica["address"].as_str().context("no address")?.to_owned();
        thread::spawn(move || greet(&address));
    }
    println!("ringleader node {id} ready: api {api}, peers {peer}");
    let items = Items::default();
    for stream in listener.incoming() {
        let (stream, items) = (stream?, Arc::clone(&items));
        // A client that goes away ends its own thread only.
        thread::spawn(move || drop(serve(&stream, id, &items)));
    }
    Ok(())
}

/// Takes what peers say, and does nothing with it.
fn hear(peers: &TcpListener) {
    for mut stream in peers.incoming().flatten() {
        thread::spawn(move || drop(std::io::copy(&mut stream, &mut std::io::sink())));
    }
}

/// Says hello to a peer now and then, so that a cut link is noticed by the proxy.
fn greet(address: &str) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address) {
            while stream.write_all(b"hello").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Answers the requests of one connection.
fn serve(mut stream: &TcpStream, id: i64, items: &Items) -> Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let (mut length, mut operation) = (0, String::from("status"));
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse()?;
                }
                Some((name, value)) if name.eq_ignore_ascii_case("x-amz-target") => {
                    value.rsplit('.').next().unwrap_or_default().clone_into(&mut operation);
                }
                _ if line.trim().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, answer) = answer(id, &operation, &body, &mut items);
        let answer = answer.to_string();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all((head + &answer).as_bytes())?;
    }
}

fn answer(
    id: i64,
    operation: &str,
    body: &Value,
    items: &mut BTreeMap<String, Value>,
) -> (&'static str, Value) {
    let key = |of: &Value| of["k"]["S"].as_str().unwrap_or_default().to_owned();
    let done = |answer| ("200 OK", answer);
    match operation {
        // Everybody agrees that node 0 leads: the lie is in the data alone.
        "status" => {
            let role = if id == 0 { "leader" } else { "follower" };
            done(json!({"version": 1, "id": id, "term": 1, "role": role, "leader": 0,
                "commit": 0, "applied": 0, "last": 0}))
        }
        "GetItem" => match items.get(&key(&body["Key"])) {
            Some(item) => done(json!({"Item": item})),
            None => done(json!({})),
        },
        "PutItem" => {
            let key = key(&body["Item"]);
            let found = items.get(&key);
            let holds = match body["ConditionExpression"].as_str() {
                None => true,
                Some("attribute_not_exists(k)") => found.is_none(),
                Some("attribute_exists(k)") => found.is_some(),
                Some(_) => {
                    found.is_some_and(|item| item["v"] == body["ExpressionAttributeValues"][":old"])
                }
            };
            if holds {
                items.insert(key, body["Item"].clone());
                return done(json!({}));
            }
            let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
            let mut error = json!({"__type": kind});
            if let Some(item) = found {
                error["Item"] = item.clone();
            }
            ("400 Bad Request", error)
        }
        "DeleteItem" => {
            items.remove(&key(&body["Key"]));
            done(json!({}))
        }
        "DescribeTable" => done(json!({"Table": {"TableStatus": "ACTIVE"}})),
        _ => done(json!({})),
    }
}
