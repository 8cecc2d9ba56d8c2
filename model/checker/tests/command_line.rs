//! The `model` command from outside: what it refuses, how it says so, and its exit codes.

use std::process::{Command, Output, Stdio};

fn model(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
    command.args(arguments).stdin(Stdio::null()).output().expect("the binary was built")
}

/// Exit code and the one line on standard error.
#[track_caller]
fn check(arguments: &[&str], code: i32, says: &str) {
    let output = model(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(error.contains(says), "{arguments:?}: {error}");
}

#[test]
fn arguments_that_cannot_be_used_are_named() {
    check(&["check", "nosuch"], 2, "model: no model is called \"nosuch\"; there are alone, crash");
    check(&["check", "alone", "--property", "X-1"], 2, "model alone has no property \"X-1\"");
    check(&["check", "--bounds", "deepest"], 2, "possible values: quick, standard, deep");
    check(&["check", "alone", "--max-memory", "1T"], 2, "invalid digit");
    check(&["check", "--checkpoint", "file"], 2, "--checkpoint is for one model and our own");
    check(&["check", "--nosuch"], 2, "unexpected argument '--nosuch'");
    check(&["check", "alone", "--threads", "0"], 2, "0 is not in 1..=256");
    check(&["explore", "nosuch"], 2, "no model is called \"nosuch\"");
    check(&["replay", "/nonexistent/x.trace"], 2, "cannot read /nonexistent/x.trace");
    check(&["mutants", "nosuch"], 2, "no mutant is called \"nosuch\"; there are ack-before-fsync");
}

/// One step of three replicas, and variations of it.
fn trace(property: &str, nodes: u8, what: &str) -> String {
    let step = format!("{{\"node\":0,\"what\":\"{what}\"}}");
    format!(
        "{{\"version\":1,\"model\":\"even\",\"nodes\":{nodes},\"property\":\"{property}\",\"steps\":[{step}]}}"
    )
}

#[test]
fn traces_are_replayed_or_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.trace");
    let replay = |text: &str, code: i32, says: &str| {
        std::fs::write(&path, text).expect("writable");
        check(&["replay", &path.to_string_lossy()], code, says);
    };
    let campaigns = "no leader heard: campaigns";
    let good = trace("COMMIT-1", 4, campaigns);
    replay(&good, 3, "");
    replay(&good[..40], 2, "not a trace: ");
    std::fs::write(&path, &good).expect("writable");
    let page = directory.path().join("a.html");
    check(&["replay", &path.to_string_lossy(), "--html", &page.to_string_lossy()], 3, "");
    let page = std::fs::read_to_string(page).expect("was written");
    assert!(page.contains("no leader heard: campaigns") && page.ends_with("</html>\n"));
    replay("\u{0}\u{1}", 2, "not a trace: ");
    replay(&trace("COMMIT-1", 4, "flies"), 2, "\"node 0: flies\" cannot happen here; possible: ");
    replay(&trace("NOSUCH-9", 4, campaigns), 2, "model even has no \"NOSUCH-9\"");
    replay(&trace("COMMIT-1", 7, campaigns), 2, "7 nodes, model even has 4");
    replay(&good.replace("even", "odd"), 2, "no model is called \"odd\"");
    replay(&good.replace(":1,", ":2,"), 2, "trace version 2, this program reads up to 1");
}

#[test]
fn limits_leave_a_search_undecided_and_a_file_to_go_on_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("search");
    let file = file.to_string_lossy();
    check(&["check", "reads", "--max-memory", "1K", "--checkpoint", &file], 3, "");
    // What was written is of this model alone.
    check(&["check", "crash", "--checkpoint", &file], 2, "is of another search");
    check(&["check", "reads", "--checkpoint", &file], 0, "");
    assert!(!std::path::Path::new(&*file).exists(), "there is nothing to go on with");
}

#[test]
fn both_engines_say_the_same() {
    for engine in ["own", "stateright"] {
        let output = model(&["check", "even", "--engine", engine, "--json"]);
        let text = String::from_utf8_lossy(&output.stdout);
        let document: serde_json::Value = serde_json::from_str(&text).expect("one JSON document");
        let found = &document["models"][0];
        assert_eq!((&found["verdict"], &found["states"]), (&"holds".into(), &321.into()));
    }
}

#[test]
fn one_document_for_programs() {
    let output = model(&["check", "alone", "even", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let document: serde_json::Value = serde_json::from_str(&text).expect("one JSON document");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((&document["version"], &document["verdict"]), (&1.into(), &"holds".into()));
    assert_eq!(document["models"][1]["states"], 321);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_behind_standard_output_is_an_error_and_a_closed_pipe_is_not() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("linux has it");
    let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
    let output = command.arg("list").stdout(full).stderr(Stdio::piped()).output().expect("starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cannot write to standard output"), "{error}");
    assert_eq!(output.status.code(), Some(2));

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
    let status = command.arg("list").stdout(writer).status().expect("starts");
    assert_eq!(status.code(), Some(0));
}
