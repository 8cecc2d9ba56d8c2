//! A node of a group of one, as a process of its own.

use crate::port;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A running `ringleader serve`.
pub(crate) struct Node {
    process: Child,
    /// The node ends when this does.
    _stdin: ChildStdin,
    pub(crate) address: SocketAddr,
    said: PathBuf,
}

/// Where a node lives, and whether it has lived before.
pub(crate) struct Home {
    directory: tempfile::TempDir,
    address: SocketAddr,
    starts: u32,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let address = local(port::free());
        let peers = std::iter::repeat_with(port::free).map(local).find(|other| *other != address);
        let peers = peers.expect("there are two free ports");
        let config = format!(
            "id = 0\ndata_dir = \"{}\"\napi_address = \"{address}\"\npeer_address = \"{peers}\"\n\
             [[replicas]]\nid = 0\naddress = \"{peers}\"\n",
            directory.path().join("node").display(),
        );
        fs::write(directory.path().join("node.toml"), config).expect("a file can be written");
        Self { directory, address, starts: 0 }
    }

    pub(crate) fn start(&mut self) -> Node {
        let said = self.directory.path().join(format!("said-{}", self.starts));
        let log = File::create(&said).expect("a file can be made");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringleader"));
        command.args(["serve", "--stop-with-stdin", "--config"]);
        command.arg(self.directory.path().join("node.toml"));
        if self.starts == 0 {
            command.arg("--bootstrap");
        }
        self.starts += 1;
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let stdin = process.stdin.take().expect("it is piped");
        let stdout = process.stdout.take().expect("it is piped");
        let first = BufReader::new(stdout).lines().next();
        assert!(first.is_some(), "the server says that it is ready: {}", read(&said));
        Node { process, _stdin: stdin, address: self.address, said }
    }
}

impl Node {
    /// Asserts that the process lives and nothing in it panicked.
    pub(crate) fn check(&mut self) {
        let ended = self.process.try_wait().expect("it is our child");
        let said = read(&self.said);
        assert!(ended.is_none(), "the server ended, {ended:?}, and said: {said}");
        assert!(!said.contains("panicked"), "the server said: {said}");
    }

    /// The most memory that the process has had, in MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        let status = read(&PathBuf::from(format!("/proc/{}/status", self.process.id())));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.expect("Linux tells it").parse::<u64>().expect("it is a number") / 1_024
    }

    pub(crate) fn stop(self) {
        let Self { mut process, _stdin: stdin, .. } = self;
        drop(stdin);
        let status = process.wait().expect("it is our child");
        assert!(status.success(), "the server stopped when it was told to: {status}");
    }
}

fn read(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| format!("{}: {error}", path.display()))
}
