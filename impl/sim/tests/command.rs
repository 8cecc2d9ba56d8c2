//! The program: exit codes, the JSON document, what it prints.

use serde_json::Value;
use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_simulate")).args(arguments).output();
    output.expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn seeds_that_hold_end_with_0_and_one_document() {
    let arguments = ["--seeds", "4", "--operations", "40", "--threads", "2", "--json"];
    let output = simulate(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(document["version"], 1);
    assert_eq!(document["verdict"], "holds");
    assert_eq!(document["seeds"], 4);
    let one = simulate(&["--seeds", "4", "--operations", "40", "--json"]);
    let one: Value = serde_json::from_slice(&one.stdout).expect("one JSON document");
    assert_eq!(one["digest"], document["digest"], "threads do not change what happens");
}

#[test]
fn a_story_is_a_sequence_diagram() {
    let output = simulate(&["--seeds", "1", "--operations", "20", "--story", "--story-steps", "9"]);
    let story = text(&output.stdout);
    assert!(story.contains("node 0") && story.contains("after 9 steps: nothing"), "{story}");
}

#[test]
fn arguments_that_cannot_be_used_end_with_2() {
    for arguments in [&["--seeds", "0"][..], &["--operations", "0"], &["--threads", "0"], &["--x"]]
    {
        let output = simulate(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
