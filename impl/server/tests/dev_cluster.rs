//! `ringleader dev` as a process: it starts, keeps its data, says what died, and takes its nodes
//! with it when it ends, however it ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod port;

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running `ringleader dev`.
struct Dev {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Dev {
    fn start(directory: &Path) -> Self {
        let port = port::free();
        let mut process = Command::new(env!("CARGO_BIN_EXE_ringleader"))
            .args(["dev", "--single", "--data", DATA, "--port", &port.to_string()])
            .current_dir(directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut dev = Self { process, lines, port };
        dev.says("ready");
        dev
    }

    /// Waits for a line that contains this.
    fn says(&mut self, text: &str) -> String {
        let line = self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("it ended without saying {text:?}"))
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    fn stop(mut self) {
        self.signal(Signal::TERM);
        self.says("stopping");
        assert!(self.process.wait().unwrap().success());
    }

    fn call(&self, operation: &str, body: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\
             x-amz-target: DynamoDB_20120810.{operation}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// With a space, because paths have them.
const DATA: &str = "my data";

const TABLE: &str = r#"{"TableName":"songs","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;

#[test]
fn data_is_kept_between_starts() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path());
    let created = dev.call("CreateTable", TABLE);
    assert!(created.starts_with("HTTP/1.1 200 "), "{created}");
    dev.stop();
    let dev = Dev::start(directory.path());
    let described = dev.call("DescribeTable", r#"{"TableName":"songs"}"#);
    assert!(described.starts_with("HTTP/1.1 200 "), "{described}");
    dev.stop();
}

#[test]
fn nodes_end_with_a_parent_that_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(directory.path());
    dev.signal(Signal::KILL);
    dev.process.wait().unwrap();
    // The node makes its tree durable and closes its ports.
    while TcpStream::connect((Ipv4Addr::LOCALHOST, dev.port)).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn a_second_dev_in_the_same_directory_touches_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path());
    let config = directory.path().join(DATA).join("node-0.toml");
    let before = std::fs::read(&config).unwrap();
    let second = Command::new(env!("CARGO_BIN_EXE_ringleader"))
        .args(["dev", "--single", "--data", DATA, "--port", "65000"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!((second.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.ends_with("my data is in use by another dev\n"), "{said}");
    assert_eq!(std::fs::read(&config).unwrap(), before);
    dev.stop();
}

#[test]
fn a_first_start_that_was_killed_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    // What a kill leaves in the middle of making a log.
    let log = directory.path().join(DATA).join("node-0").join("log");
    std::fs::create_dir_all(&log).unwrap();
    std::fs::write(log.join("creating"), "").unwrap();
    std::fs::write(log.join("000000000000.new"), "half").unwrap();
    Dev::start(directory.path()).stop();
}

#[test]
fn a_cluster_can_be_stopped_as_soon_as_it_says_anything() {
    // Each time the signal comes at another moment after the line.
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        Dev::start(directory.path()).stop();
    }
}

/// The process of the only node.
fn node_of(dev: &Dev) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", dev.process.id());
    let node = std::fs::read_to_string(children).unwrap();
    Pid::from_raw(node.trim().parse().unwrap()).unwrap()
}

#[test]
fn a_cluster_whose_last_node_died_says_so_and_how_to_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(directory.path());
    kill_process(node_of(&dev), Signal::KILL).unwrap();
    let said = dev.says("node 0 died");
    assert!(said.contains("SIGKILL"), "{said}");
    assert_eq!(dev.process.wait().unwrap().code(), Some(4));
    let (_, line) = said.split_once("to start it again: ").unwrap();
    // Pasted into a shell that is elsewhere.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut node = Command::new("sh")
        .args(["-c", &format!("exec {line} --stop-with-stdin")])
        .current_dir(elsewhere.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = BufReader::new(node.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(ready.starts_with("ringleader node 0 ready: "), "{ready}");
    drop(node.stdin.take());
    assert!(node.wait().unwrap().success());
}
