//! Requests that nobody should send, by HTTP, to a server process: each gets an answer in time, none
//! with a status of 500 or above, nothing panics, memory is bounded, and what was stored is still
//! there afterwards, also after a restart.
//!
//! Requests come from a grammar of all operations (`grammar`) and from the constraints of the service
//! model; most are then changed (`mutation`). They go one behind the other over connections that are
//! kept; what is no HTTP goes over connections of its own.
//!
//! ```text
//! RINGLEADER_FUZZ_REQUESTS=10000000 RINGLEADER_FUZZ_SEED=7 \
//!     cargo test -p ringleader --test fuzz -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod grammar;
mod mutation;
mod node;
#[path = "../port/mod.rs"]
mod port;
mod random;
mod wire;

use mutation::Envelope;
use node::{Home, Node};
use random::Random;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;
use tokio::task::{LocalSet, spawn_local};
use wire::Connection;

/// Requests of a run that nobody asked to be longer.
const REQUESTS: u64 = 12_000;

/// Connections at once.
const CONNECTIONS: u64 = 8;

/// Requests that are sent before an answer is awaited.
const PIPELINED: usize = 32;

/// Batches after which tables that mutated requests have made are removed.
const BATCHES_PER_CLEANING: u64 = 64;

/// What the process may need: 256 MiB of request bodies in progress, as much for connections with the
/// longest headers, 64 MiB of tree and its changes, and as much again for answers and the allocator.
const MEMORY_MAX_MIB: u64 = 1_024;

/// The table and the item that no request names.
const KEPT_TABLE: &str = "kept";

/// A request for every constraint of the service model: operation and body.
fn violations() -> Vec<(&'static str, String)> {
    let all = include_str!("../../../api/tests/model/violations.tsv").lines();
    let parts = all.filter_map(|line| {
        let mut parts = line.split('\t');
        Some((parts.next()?, parts.next()?))
    });
    // `<<N*TEXT>>` is N times TEXT.
    let expanded = |body: &str| {
        let Some((before, rest)) = body.split_once("<<") else { return body.to_owned() };
        let Some((count, rest)) = rest.split_once('*') else { return body.to_owned() };
        let Some((text, after)) = rest.split_once(">>") else { return body.to_owned() };
        let count = count.parse().unwrap_or(1);
        format!("{before}{}{after}", text.repeat(count))
    };
    let all: Vec<_> = parts.map(|(operation, body)| (operation, expanded(body))).collect();
    assert!(all.len() > 400, "the table has a line for each of 403 constraints");
    all
}

/// What a run has seen.
#[derive(Default)]
struct Seen {
    sent: u64,
    alone: u64,
    statuses: BTreeMap<u16, u64>,
    /// Accepted requests of each operation.
    accepted: BTreeMap<String, u64>,
}

/// One run against one server.
struct Run {
    address: SocketAddr,
    violations: Vec<(&'static str, String)>,
    requests: u64,
    seen: RefCell<Seen>,
}

impl Run {
    /// Keeps one connection busy until enough was sent.
    async fn keep_asking(&self, seed: u64) {
        let mut random = Random::new(seed);
        let mut connection = Connection::open(self.address).await;
        for batch in 1.. {
            if self.seen.borrow().sent >= self.requests {
                return;
            }
            self.ask(&mut random, &mut connection, batch).await;
            if random.once_in(4) {
                self.ask_alone(&mut random).await;
            }
            if batch % BATCHES_PER_CLEANING == 0 {
                clean(&mut connection).await;
            }
        }
    }

    /// Sends a batch and looks at its answers.
    async fn ask(&self, random: &mut Random, connection: &mut Connection, batch: u64) {
        let (mut bytes, mut ends, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PIPELINED {
            let (name, envelope) = self.request(random);
            envelope.write(&mut bytes);
            ends.push(bytes.len());
            names.push(name);
        }
        let sent = |at: usize| {
            let start = if at == 0 { 0 } else { ends[at - 1] };
            String::from_utf8_lossy(&bytes[start..ends[at]])
        };
        match connection.exchange(&bytes, PIPELINED).await {
            Ok(answers) => {
                let mut seen = self.seen.borrow_mut();
                for (at, answer) in answers.iter().enumerate() {
                    if let Some(fault) = answer.fault() {
                        let said = String::from_utf8_lossy(&answer.body);
                        panic!("batch {batch}: {fault}\n{}\nanswered {said}", sent(at));
                    }
                    *seen.statuses.entry(answer.status).or_default() += 1;
                    if answer.status == 200 {
                        *seen.accepted.entry(names[at].to_owned()).or_default() += 1;
                    }
                }
                seen.sent += answers.len() as u64;
            }
            Err((answers, error)) => panic!("batch {batch}: {error}\n{}", sent(answers.len())),
        }
    }

    /// A request that is HTTP, with the name of the operation that it began as.
    fn request(&self, random: &mut Random) -> (&'static str, Envelope) {
        let kind = random.below(100);
        let (name, mut body) = if kind < 8 {
            let (name, body) = &self.violations[random.below(self.violations.len())];
            (*name, body.clone().into_bytes())
        } else {
            let (name, mut body) = grammar::request(random);
            if kind < 33 {
                for _ in 0..=random.below(3) {
                    mutation::restructure(random, &mut body);
                }
            }
            (name, body.to_string().into_bytes())
        };
        if (4..8).contains(&kind) || (25..55).contains(&kind) {
            mutation::damage(random, &mut body);
        }
        let mut envelope = Envelope::new(name, body);
        if random.once_in(16) {
            envelope.compress(random);
        }
        if random.once_in(8) {
            envelope.adorn(random);
        }
        (name, envelope)
    }

    /// Sends something on a connection of its own that may not even be HTTP.
    async fn ask_alone(&self, random: &mut Random) {
        let (_, envelope) = self.request(random);
        let mut bytes = Vec::new();
        if random.once_in(3) {
            envelope.write_chunked(random, &mut bytes);
        } else {
            envelope.write(&mut bytes);
        }
        if !random.once_in(4) {
            let mut head = bytes;
            bytes = head.split_off(random.below(200).min(head.len()));
            mutation::damage(random, &mut head);
            bytes.splice(0..0, head);
        }
        let come = wire::send_alone(self.address, &bytes).await;
        let come =
            come.unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&bytes)));
        let bad = wire::statuses(&come).into_iter().find(|status| *status >= 500);
        assert_eq!(
            bad,
            None,
            "{}\n{}",
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&come)
        );
        self.seen.borrow_mut().alone += 1;
    }
}

/// Asks one thing and returns status and answer.
async fn ask(connection: &mut Connection, operation: &str, body: &Value) -> (u16, Value) {
    let mut bytes = Vec::new();
    Envelope::new(operation, body.to_string().into_bytes()).write(&mut bytes);
    let answers = connection.exchange(&bytes, 1).await;
    let Ok(answers) = answers else { panic!("{operation} {body} got no answer") };
    let answer = &answers[0];
    (answer.status, serde_json::from_slice(&answer.body).expect("an answer is JSON"))
}

/// Makes the tables of the grammar where they are missing, and removes all that have no place in it.
async fn clean(connection: &mut Connection) {
    let mut start = Value::Null;
    loop {
        let list =
            if start.is_null() { json!({}) } else { json!({"ExclusiveStartTableName": start}) };
        let (status, tables) = ask(connection, "ListTables", &list).await;
        assert_eq!(status, 200, "{tables}");
        for name in tables["TableNames"].as_array().expect("a list") {
            let known = name.as_str().is_some_and(|name| {
                name == KEPT_TABLE
                    || name.starts_with("fuzz-new-")
                    || grammar::TABLES.contains(&name)
            });
            if !known {
                ask(connection, "DeleteTable", &json!({ "TableName": name })).await;
            }
        }
        start = tables["LastEvaluatedTableName"].clone();
        if start.is_null() {
            break;
        }
    }
    for name in grammar::TABLES {
        ask(connection, "CreateTable", &grammar::table(name)).await;
    }
}

/// Reads the item that no request names.
async fn check_kept(address: SocketAddr) {
    let mut connection = Connection::open(address).await;
    let read = json!({"TableName": KEPT_TABLE, "Key": {"p": {"S": "k"}}, "ConsistentRead": true});
    // The node has just started, and may not lead yet.
    let found = loop {
        let (status, found) = ask(&mut connection, "GetItem", &read).await;
        if status != 503 {
            break found;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(found, json!({"Item": {"p": {"S": "k"}, "v": {"S": "still here"}}}));
}

async fn prepare(address: SocketAddr) {
    let mut connection = Connection::open(address).await;
    while ask(&mut connection, "ListTables", &json!({})).await.0 == 503 {
        tokio::task::yield_now().await;
    }
    clean(&mut connection).await;
    let (status, _) = ask(&mut connection, "CreateTable", &grammar::table(KEPT_TABLE)).await;
    assert_eq!(status, 200);
    let item = json!({"p": {"S": "k"}, "v": {"S": "still here"}});
    let put = json!({"TableName": KEPT_TABLE, "Item": item});
    assert_eq!(ask(&mut connection, "PutItem", &put).await.0, 200);
}

/// Everything between two starts of the server.
async fn fuzz(server: &mut Node, requests: u64, seed: u64) {
    let address = server.address;
    prepare(address).await;
    let run = Run { address, violations: violations(), requests, seen: RefCell::default() };
    let start = Instant::now();
    let run = Rc::new(run);
    let tasks = LocalSet::new();
    let asking = tasks.run_until(async {
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|connection| {
                let run = Rc::clone(&run);
                let seed = Random::new(seed ^ connection.rotate_right(8)).next();
                spawn_local(async move { run.keep_asking(seed).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("every answer is as it must be");
        }
    });
    asking.await;
    server.check();
    check_kept(address).await;
    let (found, seconds) = (run.seen.borrow(), start.elapsed().as_secs_f64());
    let peak = server.peak_mib();
    println!(
        "{} requests and {} alone in {seconds:.1} s, seed {seed}: {:?}, {peak} MiB at most\n{:?}",
        found.sent, found.alone, found.statuses, found.accepted
    );
    assert!(peak <= MEMORY_MAX_MIB, "{peak} MiB, at most {MEMORY_MAX_MIB} allowed");
    // Otherwise it would only show that everything is refused.
    let accepted = found.statuses.get(&200).copied().unwrap_or_default();
    assert!(accepted * 5 > found.sent, "only {accepted} of {} requests were accepted", found.sent);
    assert_eq!(
        found.accepted.len(),
        22,
        "operations that accepted something: {:?}",
        found.accepted
    );
}

fn setting(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}"))
}

#[test]
fn requests_that_nobody_should_send_get_an_answer() {
    let requests = setting("RINGLEADER_FUZZ_REQUESTS", REQUESTS);
    let seed = setting("RINGLEADER_FUZZ_SEED", 1);
    let mut home = Home::new();
    let mut node = home.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(fuzz(&mut node, requests, seed));
    node.stop();
    // What was accepted can be recovered.
    let mut node = home.start();
    runtime.block_on(check_kept(node.address));
    node.check();
    node.stop();
}
