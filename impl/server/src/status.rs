//! `ringleader status`: asks nodes where their replicas stand.

use crate::exit::Failure;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// A node that runs answers within milliseconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A status document has some 150 bytes.
const ANSWER_LENGTH_MAX: u64 = 64 << 10;

/// Say where the replica of a node stands.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringleader status --endpoint http://127.0.0.1:8000
  ringleader status --endpoint 127.0.0.1:8000 --endpoint 127.0.0.1:8001 --json

Exit codes: 0 all answered, 2 arguments, 3 a node did not answer.")]
pub(crate) struct Arguments {
    /// A node's API address; may be given several times.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    endpoint: Vec<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let answers: Vec<(&str, io::Result<Value>)> =
        arguments.endpoint.iter().map(|it| (it.as_str(), ask(it))).collect();
    if arguments.json {
        println!("{}", document(&answers));
    } else {
        for (endpoint, answer) in &answers {
            match answer {
                Ok(status) => println!("{endpoint}  {}", in_words(status)),
                Err(error) => println!("{endpoint}  no answer: {error}"),
            }
        }
    }
    let silent: Vec<&str> =
        answers.iter().filter(|(_, answer)| answer.is_err()).map(|&(it, _)| it).collect();
    if silent.is_empty() {
        return Ok(());
    }
    Err(Failure::NoAnswer(format!("no answer from {}", silent.join(", "))))
}

fn document(answers: &[(&str, io::Result<Value>)]) -> Value {
    let nodes: Vec<Value> = answers
        .iter()
        .map(|(endpoint, answer)| match answer {
            Ok(status) => serde_json::json!({ "endpoint": endpoint, "status": status }),
            Err(error) => serde_json::json!({ "endpoint": endpoint, "error": error.to_string() }),
        })
        .collect();
    serde_json::json!({ "version": 1, "nodes": nodes })
}

fn in_words(status: &Value) -> String {
    let field = |name: &str| match &status[name] {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            value.to_string()
        }
    };
    let [id, role, term, leader] = ["id", "role", "term", "leader"].map(field);
    let [commit, applied, last] = ["commit", "applied", "last"].map(field);
    let [start, members] = ["log_start", "members"].map(field);
    format!(
        "node {id}  {role} in term {term}, leader {leader}, members {members}, \
         commit {commit}, applied {applied}, log after {start} up to {last}"
    )
}

fn ask(endpoint: &str) -> io::Result<Value> {
    let answer = exchange(endpoint, "GET /ringleader/status", TIMEOUT)?;
    if answer.status == 200 { Ok(answer.document) } else { Err(no_node()) }
}

/// What a node answered.
pub(crate) struct NodeAnswer {
    pub(crate) status: u16,
    pub(crate) document: Value,
}

fn no_node() -> io::Error {
    io::Error::other("this is no ringleader node")
}

/// One request, of this method and path, on one connection: the answer is what comes until its end.
pub(crate) fn exchange(endpoint: &str, line: &str, patience: Duration) -> io::Result<NodeAnswer> {
    let authority = endpoint.strip_prefix("http://").unwrap_or(endpoint).trim_end_matches('/');
    let address = authority
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::other("the name has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {authority}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_LENGTH_MAX).read_to_string(&mut answer)?;
    parsed(&answer).ok_or_else(no_node)
}

fn parsed(answer: &str) -> Option<NodeAnswer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let document = serde_json::from_str(body).ok()?;
    Some(NodeAnswer { status, document })
}
