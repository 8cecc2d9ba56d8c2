//! Nodes as processes: their logs stay short under load, and a node whose disk is lost is replaced by
//! a new one, which gets the state instead of a log that nobody has any more.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod port;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// The first members, and the one that comes later.
const IDS: [u8; 4] = [0, 1, 2, 3];

struct Node {
    process: Child,
    /// Ends the node when it is dropped.
    stdin: Option<ChildStdin>,
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.process.wait();
    }
}

struct Cluster {
    directory: tempfile::TempDir,
    /// Where each node serves its clients.
    ports: Vec<u16>,
}

impl Cluster {
    /// Configurations in which all four know each other, and three are the group's first members.
    fn configured() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ports: Vec<u16> = IDS.iter().map(|_| port::free()).collect();
        let mut replicas = String::new();
        let peers: Vec<u16> = IDS.iter().map(|_| port::free()).collect();
        for (id, port) in IDS.iter().zip(&peers) {
            writeln!(replicas, "[[replicas]]\nid = {id}\naddress = \"127.0.0.1:{port}\"").unwrap();
        }
        for id in IDS {
            let at = usize::from(id);
            let (port, peer) = (ports[at], peers[at]);
            let text = format!(
                "id = {id}\ndata_dir = \"data-{id}\"\nmembers = [0, 1, 2]\n\
                 api_address = \"127.0.0.1:{port}\"\npeer_address = \"127.0.0.1:{peer}\"\n\
                 checkpoint_bytes = 1048576\n{replicas}"
            );
            std::fs::write(directory.path().join(format!("{id}.toml")), text).unwrap();
        }
        Self { directory, ports }
    }

    fn start(&self, id: u8, arguments: &[&str]) -> Node {
        let mut process = ringleader(self.directory.path())
            .args(["serve", "--stop-with-stdin", "--config", &format!("{id}.toml")])
            .args(arguments)
            // A node that says little runs all the same.
            .env("RINGLEADER_LOG", "warn")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{line}");
        let stdin = process.stdin.take();
        Node { process, stdin }
    }

    /// Asks a node, and gives the status and the body of its answer.
    fn ask(&self, id: u8, line: &str, operation: &str, body: &str) -> (u16, String) {
        let port = self.ports[usize::from(id)];
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\
             x-amz-target: DynamoDB_20120810.{operation}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    /// Asks until it works: there may be no leader yet.
    fn call(&self, id: u8, operation: &str, body: &str) -> String {
        loop {
            let (status, answer) = self.ask(id, "POST /", operation, body);
            match status {
                200 => return answer,
                500.. => {}
                _ => panic!("{operation}: {answer}"),
            }
        }
    }

    fn status(&self, id: u8) -> serde_json::Value {
        let (_, status) = self.ask(id, "GET /ringleader/status", "", "");
        serde_json::from_str(&status).unwrap()
    }

    fn members(&self, change: &str, id: u8) -> String {
        let mut command = ringleader(self.directory.path());
        command.args(["members", change, &id.to_string()]);
        for id in IDS.iter().take(3) {
            command.args(["--endpoint", &format!("127.0.0.1:{}", self.ports[usize::from(*id)])]);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said + &String::from_utf8(output.stderr).unwrap()
    }

    /// Asks for a change until it is done.
    fn change(&self, change: &str, id: u8) {
        for _ in 0..200 {
            let said = self.members(change, id);
            if said == "done\n" || said.contains("it is so already") {
                return;
            }
            assert!(said.starts_with("ringleader: "), "{said}");
        }
        panic!("{change} {id} does not get done");
    }

    fn put(&self, node: u8, key: u32, fill: usize) {
        let value = "v".repeat(fill);
        let item = format!(r#"{{"id":{{"S":"song {key}"}},"text":{{"S":"{value}"}}}}"#);
        self.call(node, "PutItem", &format!(r#"{{"TableName":"songs","Item":{item}}}"#));
    }

    /// Whether this very node has applied an item.
    fn holds(&self, node: u8, key: u32) -> bool {
        let get = format!(r#"{{"TableName":"songs","Key":{{"id":{{"S":"song {key}"}}}}}}"#);
        let (status, answer) = self.ask(node, "POST /", "GetItem", &get);
        status == 200 && answer.contains("\"Item\"")
    }

    fn segments(&self, id: u8) -> usize {
        let log: PathBuf = self.directory.path().join(format!("data-{id}")).join("log");
        let names = std::fs::read_dir(log).unwrap().map(|it| it.unwrap().file_name());
        names.filter(|name| Path::new(name).extension().is_some_and(|it| it == "wal")).count()
    }
}

fn ringleader(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringleader"));
    command.current_dir(directory);
    command
}

const TABLE: &str = r#"{"TableName":"songs","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;

#[test]
fn a_node_that_lost_its_disk_is_replaced_and_logs_stay_short() {
    let cluster = Cluster::configured();
    let mut nodes: Vec<Node> = (0..3).map(|id| cluster.start(id, &["--bootstrap"])).collect();
    cluster.call(0, "CreateTable", TABLE);
    // Some 100 MB of log: six segments of 16 MiB, if none went.
    let count = 340;
    for key in 0..count {
        cluster.put(0, key, 300_000);
    }
    for id in 0..3 {
        while cluster.status(id)["log_start"] == 0 {
            std::thread::yield_now();
        }
        let segments = cluster.segments(id);
        assert!(segments <= 5, "node {id} has {segments} segments");
    }
    // Node 2 and its disk are gone, for good.
    nodes.pop();
    std::fs::remove_dir_all(cluster.directory.path().join("data-2")).unwrap();
    cluster.put(0, count, 10);
    // Before it is asked in, the new one waits and leads nothing.
    nodes.push(cluster.start(3, &["--bootstrap"]));
    assert_eq!(cluster.status(3)["term"], 0);
    cluster.change("--add", 3);
    cluster.change("--remove", 2);
    cluster.put(1, count + 1, 10);
    while !(cluster.holds(3, count + 1) && cluster.holds(3, count)) {
        std::thread::yield_now();
    }
    let status = cluster.status(3);
    assert_eq!(status["members"], serde_json::json!([0, 1, 3]));
    let start = status["log_start"].as_u64().unwrap();
    assert!(start > u64::from(count / 2), "its log begins with a state, after {start}");
    assert!((0..count).step_by(17).all(|key| cluster.holds(3, key)), "the state is there");
    // It counts: without another one there is still a majority, also after a restart.
    drop(nodes.pop());
    nodes.push(cluster.start(3, &[]));
    drop(nodes.remove(0));
    cluster.put(3, count + 2, 10);
    assert!(cluster.call(1, "ListTables", "{}").contains("songs"));
    // The lost one must not come back as itself.
    let again = ringleader(cluster.directory.path())
        .args(["serve", "--config", "2.toml"])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(4));
    assert!(String::from_utf8(again.stderr).unwrap().contains("ringleader members --remove"));
}
