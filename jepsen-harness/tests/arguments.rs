//! Bad arguments: one clear line on standard error, exit code 2, and nothing started.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::process::{Command, Stdio};

/// Runs a program of this package and returns its exit code and what it said.
fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const JEPSEN: &str = env!("CARGO_BIN_EXE_jepsen");
/// For runs that end before they have results.
const NOWHERE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/arguments");
const VERIFY: &str = env!("CARGO_BIN_EXE_verify");

#[test]
fn bad_arguments_are_refused_before_anything_starts() {
    for (program, arguments, complaint) in [
        (
            JEPSEN,
            &["run", "--faults", "flood"][..],
            "no fault is called \"flood\"; there are kill,",
        ),
        (
            JEPSEN,
            &["run", "--workload", "queue"],
            "no workload is called \"queue\"; there are item, register, ",
        ),
        (JEPSEN, &["run", "--workload", "set,bank,set"], "--workload set,bank,set names set twice"),
        (JEPSEN, &["run", "--seconds", "0"], "invalid value '0' for '--seconds"),
        (
            JEPSEN,
            &["run", "--target", "etcd"],
            "--endpoint is for the targets dynamodb and etcd, and they need it",
        ),
        (
            JEPSEN,
            &["run", "--target", "etcd", "--endpoint", "127.0.0.1:1", "--workload", "bank"],
            "etcd has no operations for --workload bank",
        ),
        (
            JEPSEN,
            &["run", "--target", "dynamodb", "--endpoint", "127.0.0.1:1", "--faults", "kill"],
            "the fault kill cannot be done to a server that somebody else started",
        ),
        (
            JEPSEN,
            &["run", "--target", "dynamodb", "--endpoint", "nowhere", "--faults", "none"],
            "--endpoint nowhere is no HOST:PORT",
        ),
        (JEPSEN, &["run", "--server", "no/such/program"], "there is no program no/such/program"),
        (JEPSEN, &["walk"], "unrecognized subcommand 'walk'"),
        (
            JEPSEN,
            &["run", "--seconds", "8", "--faults", "kill,pause,isolate"],
            "--seconds 8 is too short for 3 faults; at least 11, or fewer in --faults",
        ),
        (
            JEPSEN,
            &["run", "--seed", "18446744073709551615", "--repeat", "2"],
            "--seed 18446744073709551615 overflows: 2 runs need seeds up to 18446744073709551615",
        ),
        (
            JEPSEN,
            &["run", "--junit", "no/such/x"],
            "cannot write --junit no/such/x: there is no directory no/such",
        ),
        (JEPSEN, &["run", "--out", "Cargo.toml"], "--out Cargo.toml is not a directory"),
        (JEPSEN, &["run", "--server", "Cargo.toml"], "Cargo.toml is not executable"),
        (
            JEPSEN,
            &["run", "--faults", "none", "--seconds", "1", "--server", VERIFY, "--out", NOWHERE],
            "does not start as a node: node 0 did not start: ended before it was ready",
        ),
        (VERIFY, &["--junit", "no/such/x"], "cannot write --junit no/such/x"),
        (VERIFY, &["--out", "Cargo.toml/x"], "cannot make --out Cargo.toml/x"),
        (VERIFY, &["--mutant", "../Cargo"], "no mutant is called \"../Cargo\""),
        (VERIFY, &["--server", "no/such/program"], "there is no program no/such/program"),
        (VERIFY, &["--faster"], "unexpected argument '--faster'"),
    ] {
        let (code, stdout, stderr) = run(program, arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        assert_eq!(stdout, "", "{arguments:?}");
        assert!(stderr.contains(complaint), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_list_names_every_fault_once() {
    let (code, stdout, _) = run(JEPSEN, &["list"]);
    assert_eq!(code, Some(0));
    for nemesis in &jepsen_harness::nemesis::catalogue::ALL {
        let name = format!("  {} ", nemesis.name);
        let named = stdout.lines().filter(|line| line.starts_with(&name));
        assert_eq!(named.count(), 1, "{name}");
        assert!(stdout.contains(&format!("effect: {}\n", nemesis.measured)), "{name}");
    }
}

#[test]
fn what_nobody_can_read_is_an_error_and_a_reader_who_left_is_none() {
    let code = |stdout: Stdio| {
        let mut command = Command::new(JEPSEN);
        let output = command.arg("list").stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (full, complaint) = code(File::options().write(true).open("/dev/full").unwrap().into());
    assert_eq!(full, Some(2));
    assert!(complaint.starts_with("error: cannot write to standard output: "), "{complaint}");

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(code(writer.into()), (Some(0), String::new()));
}
