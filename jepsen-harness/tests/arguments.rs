//! Bad arguments: one clear line on standard error, exit code 2, and nothing started.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Runs a program of this package and returns its exit code and what it said.
fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const JEPSEN: &str = env!("CARGO_BIN_EXE_jepsen");
const VERIFY: &str = env!("CARGO_BIN_EXE_verify");

#[test]
fn bad_arguments_are_refused_before_anything_starts() {
    for (program, arguments, complaint) in [
        (
            JEPSEN,
            &["run", "--faults", "flood"][..],
            "no fault is called \"flood\"; there are kill,",
        ),
        (JEPSEN, &["run", "--workload", "bank"], "invalid value 'bank' for '--workload"),
        (JEPSEN, &["run", "--seconds", "0"], "invalid value '0' for '--seconds"),
        (JEPSEN, &["run", "--server", "no/such/program"], "there is no program no/such/program"),
        (JEPSEN, &["walk"], "unrecognized subcommand 'walk'"),
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
    for kind in jepsen_harness::schedule::FaultKind::ALL {
        let named = stdout.lines().filter(|line| line.trim().starts_with(&format!("{kind} ")));
        assert_eq!(named.count(), 1, "{kind}");
    }
}
