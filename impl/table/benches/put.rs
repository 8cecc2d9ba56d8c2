//! Question: how much CPU does one request cost outside network, log and consensus?
//!
//! Workload: puts of a 900-byte item (6 attributes) under 10,000 keys in turn, each with the
//! condition `attribute_exists(id)` in the second round, and gets of the same items. One thread,
//! thread CPU time, 100,000 requests per step after as many to warm up. Noise on two shared cores
//! is some 5 %. Run: `cargo bench -p ringleader-table --bench put`.

use ringleader_api::{Answer as ApiAnswer, Place, Request, parse};
use ringleader_core::ids::LogIndex;
use ringleader_item::{PackedItem, Put, TableDescription, TableId};
use ringleader_storage::engine::MemoryEngine;
use ringleader_table::{Answer, Command, Found, Read, Tables};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

const REQUESTS: u64 = 100_000;
const KEYS: u64 = 10_000;

fn cpu_ns() -> i64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Prints the CPU time of one call of `step`.
fn measure(what: &str, mut step: impl FnMut(u64)) {
    (0..REQUESTS).for_each(&mut step);
    let start = cpu_ns();
    (REQUESTS..2 * REQUESTS).for_each(step);
    let ns = u64::try_from(cpu_ns() - start).expect("time does not run backwards") / REQUESTS;
    println!("{what:<44} {}.{:03} us", ns / 1_000, ns % 1_000);
}

fn put_body(id: u64, rest: &str) -> String {
    let text = "x".repeat(780);
    format!(
        r#"{{"TableName":"orders","Item":{{"id":{{"S":"user-{id}"}},"text":{{"S":"{text}"}},"count":{{"N":"12345"}},"price":{{"N":"19.99"}},"tags":{{"SS":["a","b"]}},"flag":{{"BOOL":true}}}}{rest}}}"#
    )
}

fn request(operation: &str, body: &str) -> Request {
    parse(&format!("DynamoDB_20120810.{operation}"), body.as_bytes()).expect("a valid request")
}

fn put(body: &str) -> Put {
    let Request::PutItem(put) = request("PutItem", body) else { panic!("not a put") };
    put
}

fn table() -> TableDescription {
    let create = request(
        "CreateTable",
        r#"{"TableName":"orders","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#,
    );
    let Request::CreateTable(definition) = create else { panic!("not a table") };
    TableDescription { definition, id: TableId(1), created_unix_ms: 0, expiry_attribute: None }
}

fn replica() -> Tables<MemoryEngine> {
    let mut tables = Tables::open(MemoryEngine::new()).expect("memory does not fail");
    tables.apply(LogIndex(1), &Command::CreateTable(table())).expect("memory does not fail");
    tables
}

fn main() {
    let place = Place::default();
    let wire = bincode::config::legacy();
    let condition = r#","ConditionExpression":"attribute_exists(id)""#;
    for (kind, rest) in [("put", ""), ("put if attribute_exists", condition)] {
        println!("{kind}, {} bytes of JSON", put_body(0, rest).len());
        let bodies: Vec<String> = (0..KEYS).map(|id| put_body(id, rest)).collect();
        let body = |at: u64| &bodies[usize::try_from(at % KEYS).expect("small")];
        let commands: Vec<Command> = bodies.iter().map(|body| Command::Put(put(body))).collect();
        let command = |at: u64| &commands[usize::try_from(at % KEYS).expect("small")];
        let encoded = |at: u64| bincode::serde::encode_to_vec(command(at), wire).expect("encodes");
        let records: Vec<Vec<u8>> = (0..KEYS).map(encoded).collect();
        let record = |at: u64| &records[usize::try_from(at % KEYS).expect("small")];

        let mut tables = replica();
        for id in 0..KEYS {
            let put = Command::Put(put(&put_body(id, "")));
            tables.apply(LogIndex(id + 2), &put).expect("memory does not fail");
        }
        let first = KEYS + 2;
        measure("  parse", |at| drop(black_box(put(body(at)))));
        measure("  command to bytes", |at| drop(black_box(encoded(at))));
        measure("  bytes to command", |at| {
            let read = bincode::serde::decode_from_slice::<Command, _>(record(at), wire);
            drop(black_box(read));
        });
        measure("  apply in memory", |at| {
            let answer = tables.apply(LogIndex(first + at), command(at));
            assert!(matches!(answer, Ok(Answer::Written(_))));
        });
        let mut tables = replica();
        for id in 0..KEYS {
            let put = Command::Put(put(&put_body(id, "")));
            tables.apply(LogIndex(id + 2), &put).expect("memory does not fail");
        }
        measure("  parse + apply + encode", |at| {
            let command = Command::Put(put(body(at)));
            let answer = tables.apply(LogIndex(first + at), &command).expect("memory");
            let Answer::Written(written) = answer else { panic!("refused") };
            black_box(ApiAnswer::PutItem(written.attributes.into()).encode(&place));
        });
    }

    let mut tables = replica();
    for id in 0..KEYS {
        let put = Command::Put(put(&put_body(id, "")));
        tables.apply(LogIndex(id + 2), &put).expect("memory does not fail");
    }
    println!("get");
    let bodies: Vec<String> = (0..KEYS)
        .map(|id| {
            format!(
                r#"{{"TableName":"orders","Key":{{"id":{{"S":"user-{id}"}}}},"ConsistentRead":true}}"#
            )
        })
        .collect();
    let get = |at: u64| {
        let body = &bodies[usize::try_from(at % KEYS).expect("small")];
        let Request::GetItem(get) = request("GetItem", body) else { panic!("not a get") };
        get
    };
    measure("  parse", |at| drop(black_box(get(at))));
    let stored = |at: u64| -> Option<PackedItem> {
        let found = tables.read(&Read::Item(get(at))).expect("memory does not fail");
        let Found::Item { item, .. } = found else { panic!("refused") };
        item
    };
    measure("  parse + read", |at| drop(black_box(stored(at))));
    measure("  parse + read + encode", |at| {
        black_box(ApiAnswer::GetItem { item: stored(at), consumed: None }.encode(&place));
    });
}
