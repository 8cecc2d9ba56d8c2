//! `verify` from its arguments to its exit code, with a scripted model checker and the lonely node
//! beside it: what it says when something is violated, caught, or not caught.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Speaks the documents that were agreed with the model checker.
const MODEL: &str = r#"#!/bin/sh
echo "exploring: $*" >&2
case "$*" in
"check --bounds quick --json")
    echo '{"version":1,"bounds":"quick","verdict":"holds","models":[{"name":"group",
        "bounds":"3 replicas","states":1234,"depth":9,"seconds":0.5,"verdict":"holds"}]}' ;;
"mutants --json planted")
    echo '{"version":1,"mutants":[{"name":"planted","verdict":"killed","property":"READ-1",
        "expected_property":"READ-1","depth":3,"diagram":"0 --> 1","seconds":0.5}]}' ;;
"mutants --json harmless")
    echo '{"version":1,"mutants":[{"name":"harmless","verdict":"survived","property":null,
        "expected_property":"READ-1","depth":null,"diagram":null,"seconds":0.5}]}'
    exit 1 ;;
"mutants --build-server planted")
    echo "{\"version\":1,\"server\":\"$(dirname "$0")/ringleader\"}" ;;
*) exit 2 ;;
esac
"#;

/// What a run of `verify` came to.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A directory with `verify` and its neighbours, and a checkout with two mutants.
fn stage() -> TempDir {
    let stage = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = |name: &str| stage.path().join(name);
    // Links and not copies: a program that is still being written cannot be started.
    fs::hard_link(env!("CARGO_BIN_EXE_verify"), at("verify")).unwrap();
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).unwrap();
    fs::hard_link(profile.join("examples").join("lonely"), at("ringleader")).unwrap();
    fs::write(at("model"), MODEL).unwrap();
    fs::set_permissions(at("model"), fs::Permissions::from_mode(0o755)).unwrap();
    let mutants = at("checkout/model/mutants");
    fs::create_dir_all(&mutants).unwrap();
    fs::write(mutants.join("planted.toml"), "rule = \"a rule\"\ncluster = true\n").unwrap();
    fs::write(mutants.join("harmless.toml"), "rule = \"a rule\"\n").unwrap();
    stage
}

fn verify(stage: &TempDir, arguments: &[&str]) -> Ended {
    ended(&command(stage, arguments).output().unwrap())
}

fn command(stage: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(stage.path().join("verify"));
    command
        .args(arguments)
        .args(["--seconds", "4", "--out", "../results"])
        .current_dir(stage.path().join("checkout"))
        // Not through cargo: the neighbours are taken.
        .env_remove("CARGO")
        .env_remove("CARGO_MANIFEST_DIR");
    command
}

fn ended(output: &Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

#[test]
fn verdicts_become_documents_and_exit_codes() {
    let stage = stage();

    let clean = verify(&stage, &["--json"]);
    assert_eq!(clean.code, Some(1), "the node is broken: {}", clean.stderr);
    let document: Value = serde_json::from_str(&clean.stdout).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["verdict"], "violated");
    assert_eq!(document["models"][0]["states"], 1234);
    let verdict_of = |part: &str| {
        let parts = document["parts"].as_array().unwrap();
        parts.iter().find(|row| row["part"] == part).map(|row| row["verdict"].clone()).unwrap()
    };
    assert_eq!(verdict_of("model group"), "holds");
    assert_eq!(verdict_of("item: history is linearizable"), "violated");
    assert!(document["operations"]["acknowledged"].as_u64().unwrap() >= 400);
    assert!(clean.stderr.contains("exploring: check"), "progress is passed through");
    for file in ["report.html", "history-item.jsonl", "node-0.log"] {
        assert!(stage.path().join("results").join(file).is_file(), "{file}");
    }

    let planted = verify(&stage, &["--mutant", "planted"]);
    assert_eq!(planted.code, Some(1), "{}", planted.stderr);
    assert!(planted.stderr.contains("the mutant planted is caught"), "{}", planted.stderr);
    assert!(planted.stdout.contains("0 --> 1"), "the model's counterexample");
    assert!(planted.stdout.contains("process "), "the illegal part of the history");

    let harmless = verify(&stage, &["--mutant", "harmless"]);
    assert_eq!(harmless.code, Some(3), "{}", harmless.stderr);
    assert!(harmless.stderr.contains("the mutant harmless is NOT caught"), "{}", harmless.stderr);
}

#[test]
fn a_verdict_that_nobody_gets_is_an_error() {
    let stage = stage();
    let into = |stdout: Stdio| {
        let mut command = command(&stage, &["--mutant", "harmless"]);
        let running = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        ended(&running.wait_with_output().unwrap())
    };
    let full = into(fs::File::options().write(true).open("/dev/full").unwrap().into());
    assert_eq!(full.code, Some(2));
    assert!(full.stderr.contains("error: cannot write to standard output: "), "{}", full.stderr);

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(into(writer.into()).code, Some(3), "the reader has read enough");
}
