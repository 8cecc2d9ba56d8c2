//! What the binary says to who misuses it: one line, and the exit code that says whose fault it is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod port;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// The exit code, and what the binary said on standard error.
fn ringleader(arguments: &[&str], directory: &Path) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringleader"));
    let output = command.args(arguments).current_dir(directory).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_configuration_is_printed_as_it_is_in_effect() {
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path(), 8000);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringleader"));
    command.args(["config", "--config", "node.toml"]).env("RINGLEADER_DATA_DIR", "elsewhere");
    let output = command.current_dir(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    for setting in ["data_dir = \"elsewhere\"", "election_timeout_ms = 300"] {
        assert!(printed.lines().any(|line| line == setting), "{printed}");
    }
    // What is printed is a configuration.
    std::fs::write(directory.path().join("node.toml"), &printed).unwrap();
    assert_eq!(ringleader(&["config", "--config", "node.toml"], directory.path()).0, 0);
}

/// A configuration whose API port is this one.
fn write_config(directory: &Path, api_port: u16) {
    let free = format!("127.0.0.1:{}", port::free());
    let text = format!(
        "id = 0\ndata_dir = \"data\"\napi_address = \"127.0.0.1:{api_port}\"\n\
         peer_address = \"{free}\"\n[[replicas]]\nid = 0\naddress = \"{free}\"\n"
    );
    std::fs::write(directory.join("node.toml"), text).unwrap();
}

const SERVE: [&str; 3] = ["serve", "--config", "node.toml"];

#[test]
fn a_configuration_that_is_missing_or_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let (code, said) = ringleader(&SERVE, directory.path());
    assert_eq!(code, 2);
    assert_eq!(
        said,
        "ringleader: configuration node.toml: No such file or directory (os error 2)\n"
    );
    std::fs::write(directory.path().join("node.toml"), "id = \"zero\"").unwrap();
    let (code, said) = ringleader(&SERVE, directory.path());
    assert_eq!((code, said.lines().count()), (2, 1), "{said}");
    assert!(said.contains("id: invalid type: found string \"zero\", expected u8"), "{said}");
}

#[test]
fn a_taken_port_is_named_and_nothing_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    write_config(directory.path(), port);
    let (code, said) = ringleader(&SERVE, directory.path());
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with(&format!("ringleader: api_address 127.0.0.1:{port}: ")), "{said}");
    assert!(!directory.path().join("data").exists());
}

#[test]
fn a_node_without_a_store() {
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path(), port::free());
    let (code, said) = ringleader(&SERVE, directory.path());
    assert_eq!((code, said.lines().count()), (4, 1), "{said}");
    assert!(said.starts_with("ringleader: storage data: there is no store: "), "{said}");
}

#[test]
fn unknown_arguments() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["reign"][..], &["serve", "--sideways"], &["dev", "--port", "65534"], &[]] {
        let (code, said) = ringleader(arguments, directory.path());
        assert_eq!(code, 2, "{said}");
    }
}

#[test]
fn a_cluster_whose_port_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) = ringleader(&["dev", "--single", "--port", &port], directory.path());
    assert_eq!((code, said.lines().count()), (2, 1), "{said}");
    assert!(said.starts_with(&format!("ringleader: port {port}: ")), "{said}");
}

#[test]
fn a_node_that_does_not_answer() {
    let directory = tempfile::tempdir().unwrap();
    let free = format!("127.0.0.1:{}", port::free());
    let (code, said) = ringleader(&["status", "--endpoint", &free], directory.path());
    assert_eq!((code, said), (3, format!("ringleader: no answer from {free}\n")));
}
