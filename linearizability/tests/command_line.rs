//! The binary: verdicts, exit codes, the JSON document, and what it says about files that are no
//! histories.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

const LEGAL: &str = r#"
{"process":0,"type":"invoke","f":"put","key":"k1","value":7,"time":10}
{"process":1,"type":"invoke","f":"get","key":"k1","value":null,"time":12}
{"process":0,"type":"ok","f":"put","key":"k1","value":7,"time":20}
{"process":1,"type":"ok","f":"get","key":"k1","value":null,"time":22}
{"process":0,"type":"invoke","f":"put_if","key":"k1","value":8,"if":{"equals":7},"time":30}
{"process":0,"type":"ok","f":"put_if","key":"k1","value":8,"time":40}
{"process":1,"type":"invoke","f":"put_if","key":"k1","value":9,"if":{"absent":true},"time":41}
{"process":1,"type":"ok","f":"put_if","key":"k1","value":9,"failed":true,"old":8,"time":42}
{"process":2,"type":"invoke","f":"put_if","key":"k1","value":"x","if":{"exists":true},"time":43}
{"process":2,"type":"info","f":"put_if","key":"k1","value":"x","time":44}
{"process":0,"type":"invoke","f":"delete","key":"k2","time":45}
{"process":0,"type":"fail","f":"delete","key":"k2","time":46}
{"process":0,"type":"invoke","f":"get","key":"k1","time":47}
{"process":0,"type":"ok","f":"get","key":"k1","value":"x","time":48}
"#;

const STALE: &str = r#"
{"type":"fault","kind":"cut","node":1,"phase":"start","time":5}
{"process":0,"type":"invoke","f":"put","key":"k1","value":7,"time":10}
{"process":2,"type":"invoke","f":"get","key":"k1","time":11}
{"process":0,"type":"ok","f":"put","key":"k1","value":7,"time":20}
{"process":2,"type":"ok","f":"get","key":"k1","value":7,"time":21}
{"process":0,"type":"invoke","f":"put","key":"k1","value":8,"time":30}
{"process":0,"type":"ok","f":"put","key":"k1","value":8,"time":40}
{"process":1,"type":"invoke","f":"get","key":"k1","time":41}
{"process":1,"type":"ok","f":"get","key":"k1","value":7,"time":50}
{"type":"fault","kind":"cut","node":1,"phase":"end","time":60}
"#;

fn lincheck(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lincheck"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn check(model: &str, input: &str) -> (i32, String, String) {
    let output = lincheck(&["check", "--model", model, "-"], input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn assert_refused(cases: &[(&str, String, &str)]) {
    for (model, input, expected) in cases {
        let (code, out, err) = check(model, input);
        assert_eq!(err, format!("error: -: {expected}\n"), "{model}: {input}");
        assert_eq!((code, out.as_str()), (2, ""), "{model}: {input}");
    }
}

#[test]
fn a_legal_history_is_one_line_and_exit_0() {
    let (code, out, err) = check("item", LEGAL);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("-  item  6 operations  1 unknown  legal  0."), "{out}");
    assert_eq!(out.lines().count(), 1, "{out}");
}

#[test]
fn an_illegal_history_is_exit_1_with_the_operations_that_show_it() {
    let (code, out, _) = check("item", STALE);
    assert_eq!(code, 1);
    let story = out.split_once("0.000 s\n").map_or(out.as_str(), |(_, story)| story);
    let expected = "  key k1: no order of 3 operations allows get -> 7 by process 1 (line 9)
  (nothing survives the return of line 9 in the whole history)

    line 3      process 0    10 .. 20  put 7
    line 7      process 0    30 .. 40  put 8
    line 9      process 1    41 .. 50  get -> 7

    get -> 7 by process 1 (line 9), which returned at 50.
    Whatever order the operations before took effect in, key k1 could just before that only hold 8.
    It must come after put 8 by process 0 (line 7), because that returned at 40, before it was invoked at 41; but before put 8 by process 0 (line 7), because it saw what put 7 by process 0 (line 3) wrote, and that returned at 20, before the other was invoked at 30.

    process 0    |-- put 7 --| |-- put 8 --|
    process 1                                |== get -> 7 ==|
    fault        ############################################ cut node 1

";
    assert_eq!(story, expected, "{story}");
}

#[test]
fn the_json_document_has_every_field() {
    let directory = tempfile::tempdir().unwrap();
    let (legal, stale) = (directory.path().join("legal"), directory.path().join("stale"));
    fs::write(&legal, LEGAL).unwrap();
    fs::write(&stale, STALE).unwrap();
    let files = [legal.to_str().unwrap(), stale.to_str().unwrap(), "absent.jsonl"];
    let arguments = [&["check", "--json", "--model", "item"], files.as_slice()].concat();
    let output = lincheck(&arguments, "");
    assert_eq!(output.status.code(), Some(1), "a violation outweighs a bad file");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["version"], 1);
    let histories = document["histories"].as_array().unwrap();
    assert_eq!(histories.len(), 2);
    for (history, (file, verdict)) in
        histories.iter().zip([(files[0], "legal"), (files[1], "illegal")])
    {
        assert_eq!(history["file"], file);
        assert_eq!(history["model"], "item");
        assert_eq!(history["level"], "linearizable");
        assert_eq!(history["verdict"], verdict);
        assert!(history["seconds"].is_f64() && history["cpu_seconds"].is_f64());
        assert!(history["peak_bytes"].as_u64().unwrap() > 0);
        assert!(history["operations"].is_u64() && history["unknown"].is_u64());
    }
    assert_eq!(histories[0]["reason"], serde_json::Value::Null);
    let reason = "key k1: no order of 3 operations allows get -> 7 by process 1 (line 9)";
    assert_eq!(histories[1]["reason"], reason);
    assert_eq!(document["errors"][0]["file"], "absent.jsonl");
}

#[test]
fn without_time_a_verdict_is_undecided_and_exit_3() {
    // Ambiguous values, all concurrent: far more work than fits in no time at all.
    let mut history = String::new();
    for (kind, time) in [("invoke", 0), ("ok", 1)] {
        for process in 0..40 {
            let value = process % 3;
            let line = if process % 2 == 0 {
                format!(r#""f":"put","key":"k","value":{value}"#)
            } else {
                let equals = (process / 2) % 3;
                format!(r#""f":"put_if","key":"k","value":{value},"if":{{"equals":{equals}}}"#)
            };
            let event =
                format!("{{\"process\":{process},\"type\":\"{kind}\",{line},\"time\":{time}}}");
            history = history + &event + "\n";
        }
    }
    let output = lincheck(&["check", "--model", "item", "--timeout", "0", "-"], &history);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{out}");
    assert!(out.contains("undecided"), "{out}");
    assert!(out.contains("time ran out at the return of line "), "{out}");
}

#[test]
fn a_bad_file_is_named_with_line_and_expectation_and_exit_2() {
    let invoke = r#"{"process":3,"type":"invoke","f":"put","key":"k","value":1,"time":5}"#;
    let get = r#"{"process":3,"type":"invoke","f":"get","key":"k","time":5}"#;
    let cases = [
        (
            "item",
            format!("{invoke}\n{}", r#"{"process":4,"type":"ok","f":"put","key":"k","time":6}"#),
            "line 2: process 4 returns without an open operation; expected an invoke before",
        ),
        (
            "item",
            format!("{invoke}\n{invoke}"),
            "line 2: process 3 invokes while its operation of line 1 is open; expected its ok, \
             fail or info first",
        ),
        (
            "item",
            format!("{invoke}\n{}", r#"{"process":3,"type":"ok","f":"put","key":"k","time":4}"#),
            "line 2: time 4 is before 5, the time of the event above; expected one clock",
        ),
        (
            "item",
            format!("{invoke}\n{}", &invoke[..30]),
            "line 2: JSON ends in the middle, after 30 bytes; the file may be truncated",
        ),
        (
            "item",
            format!("{invoke}\n{{\"process\" 3}}"),
            "line 2: malformed JSON at column 12; expected one object per line",
        ),
        (
            "item",
            "{\"a\":1}\n[]".to_owned(),
            "line 1: type is missing; expected invoke, ok, fail, info or fault",
        ),
        ("item", format!("{invoke}\n[]"), "line 2: not a JSON object"),
        (
            "item",
            invoke.replace("put", "increment"),
            "line 1: unknown f \"increment\"; expected get, put, delete or put_if",
        ),
        ("register", invoke.to_owned(), "line 1: unknown f \"put\"; expected read or write"),
        (
            "item",
            invoke.replace(r#""key":"k","#, ""),
            "line 1: key is missing; expected a text or a whole number",
        ),
        (
            "item",
            invoke.replace(r#""value":1"#, r#""value":1.5"#),
            "line 1: value is 1.5; expected a whole number or a text",
        ),
        (
            "item",
            invoke.replace(r#""time":5"#, r#""time":-5"#),
            "line 1: time is -5; expected a whole number from 0",
        ),
        (
            "item",
            invoke.replace("put", "put_if"),
            "line 1: if is missing; expected {\"absent\":true}, {\"exists\":true} or \
             {\"equals\":VALUE}",
        ),
        (
            "item",
            format!("{get}\n{}", r#"{"process":3,"type":"ok","f":"get","key":"k","time":6}"#),
            "line 2: value is missing; expected a whole number, a text or null",
        ),
        (
            "item",
            format!("{get}\n{}", r#"{"process":3,"type":"ok","f":"put","key":"k","time":6}"#),
            "line 2: f is put, but line 1 invoked with get",
        ),
        (
            "item",
            format!("{get}\n{}", r#"{"process":3,"type":"info","f":"get","key":"z","time":6}"#),
            "line 2: key is z, but line 1 invoked with k",
        ),
        (
            "item",
            format!(
                "{invoke}\n{}",
                r#"{"process":3,"type":"ok","f":"put","key":"k","value":2,"time":6}"#
            ),
            "line 2: value is 2, but line 1 invoked with 1",
        ),
    ];
    assert_refused(&cases);
}

#[test]
fn the_same_holds_for_the_other_formats() {
    let invoke = r#"{"process":3,"type":"invoke","f":"put","key":"k","value":1,"time":5}"#;
    let cases = [
        (
            "item",
            String::new(),
            "no history in a known format; expected one of json-lines, jepsen-log, jepsen-edn, \
             porcupine, binary",
        ),
        (
            "item",
            "INFO  jepsen.util - 0\t:invoke\t:read\tnil".to_owned(),
            "line 1: unknown f \"read\"; expected get, put, delete or put_if",
        ),
        (
            "cas-register",
            "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 ".to_owned(),
            "line 1: ends in the middle; expected a value; the file may be truncated",
        ),
        (
            "register",
            "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]".to_owned(),
            "line 1: unknown f \"cas\"; expected read or write",
        ),
        (
            "cas-register",
            "INFO  jepsen.util - 0\t:ok\t:read\t1".to_owned(),
            "line 1: process 0 returns without an open operation; expected an invoke before",
        ),
        (
            "kv",
            "{:process 0, :type :invoke, :f :get, :key \"7".to_owned(),
            "line 1: line ends in the middle; expected a closing quote; the file may be truncated",
        ),
        ("kv", invoke.to_owned(), "line 1: value is 1; expected a text"),
        (
            "register",
            "[{:process 0, :type :invoke, :f :read}\n {:process 0, :type :ok, :f :read, :value [1]}"
                .to_owned(),
            "line 2: value is [1]; expected a whole number, a text or null",
        ),
        (
            "register",
            "[{:process 0, :type :invoke, :f :read}\n".to_owned(),
            "line 2: ends in the middle; expected a closing bracket; the file may be truncated",
        ),
        (
            "list-append",
            r#"{"process":0,"type":"invoke","f":"txn","value":[["append","x"]],"time":1}"#.to_owned(),
            "line 1: value is [\"append\",\"x\"]; expected [\"append\", key, value] or [\"r\", key, \
             values]",
        ),
        (
            "item",
            "{:process 0, :type :invoke, :f :append, :key \"7\", :value \"x\"}".to_owned(),
            "line 1: unknown f \"append\"; expected get, put, delete or put_if",
        ),
    ];
    assert_refused(&cases);
}

#[test]
fn faults_without_operations_are_no_history() {
    let faults: Vec<&str> = STALE.lines().filter(|line| line.contains("fault")).collect();
    assert_eq!(faults.len(), 2);
    assert_refused(&[("item", faults.join("\n"), "line 1: no operation; expected at least one")]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let (code, out, err) = check("item", &format!("\u{feff}{}", LEGAL.trim_start()));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("-  item  6 operations"), "{out}");
}

/// The exit code and what stands on standard error when standard output goes to `stdout`.
fn check_into(stdout: Stdio, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lincheck"))
        .args(["check", "--model", "item", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_verdict_that_nobody_gets_is_not_exit_0() {
    for arguments in [&[][..], &["--json"]] {
        let full = || fs::File::options().write(true).open("/dev/full").unwrap();
        let (code, err) = check_into(full().into(), arguments, LEGAL);
        assert_eq!(code, Some(2));
        assert!(err.starts_with("error: cannot write to standard output: "), "{err}");
        let (code, _) = check_into(full().into(), arguments, STALE);
        assert_eq!(code, Some(1), "a violation stands");
    }
}

#[test]
fn a_reader_who_has_read_enough_is_no_error() {
    for (history, expected) in [(LEGAL, 0), (STALE, 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, err) = check_into(writer.into(), &[], history);
        assert_eq!((code, err.as_str()), (Some(expected), ""));
    }
}

#[test]
fn unusable_arguments_are_exit_2() {
    let code = |arguments: &[&str]| lincheck(arguments, "").status.code();
    assert_eq!(code(&["check", "--model", "item", "no/such/file"]), Some(2));
    assert_eq!(code(&["check", "--model", "nonsense", "-"]), Some(2));
    assert_eq!(code(&["check", "-"]), Some(2), "nothing comes in");
    assert_eq!(code(&["check", "--model", "item", "--level", "serializable", "-"]), Some(2));
    assert_eq!(code(&["check", "--model", "item"]), Some(2));
    assert_eq!(code(&["check", "--model", "item", "--timeout", "soon", "-"]), Some(2));
    assert_eq!(code(&["check", "--help"]), Some(0));
}

#[test]
fn not_utf_8_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("binary");
    fs::write(&file, b"{}\n\xff\xfe").unwrap();
    let file = file.to_str().unwrap();
    let output = lincheck(&["check", "--model", "item", file], "");
    assert_eq!(output.status.code(), Some(2));
    let expected = format!("error: {file}: line 2: not UTF-8 text\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
}

#[test]
fn every_level_keeps_to_time_and_memory() {
    let directory = tempfile::tempdir().unwrap();
    let cells = directory.path().join("cells.jsonl");
    let cells = cells.to_str().unwrap();
    let generate = ["generate", "--model", "cas-register", "--operations", "3000", cells];
    assert_eq!(lincheck(&generate, "").status.code(), Some(0));
    let lists = directory.path().join("lists.jsonl");
    let mut text = String::new();
    for number in 0..1_500 {
        let time = 2 * number;
        let line = |kind: &str, time: i32| {
            format!(
                "{{\"process\":0,\"type\":\"{kind}\",\"f\":\"txn\",\"time\":{time},\
                 \"value\":[[\"append\",{number},1]]}}\n"
            )
        };
        text += &line("invoke", time);
        text += &line("ok", time + 1);
    }
    std::fs::write(&lists, text).unwrap();
    let lists = lists.to_str().unwrap();
    for (level, file) in [
        ("linearizable", cells),
        ("sequential", cells),
        ("session", cells),
        ("convergence", cells),
        ("serializable", lists),
        ("strict-serializable", lists),
    ] {
        for (limit, amount, says) in
            [("--timeout", "0", "time ran out"), ("--max-memory", "100K", "memory ran out")]
        {
            let arguments = ["check", "--level", level, limit, amount, file];
            let output = lincheck(&arguments, "");
            let told = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(3), "{arguments:?}: {told}");
            assert!(told.contains("undecided") && told.contains(says), "{arguments:?}: {told}");
        }
    }
}

#[test]
fn nobody_waits_longer_for_an_input_that_never_ends() {
    let waits = |more: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lincheck"))
            .args(["check", "--timeout", "0.05"])
            .args(more)
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Held open until the child has ended.
        let mut input = child.stdin.take().unwrap();
        input.write_all(LEGAL.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(input);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, told, _) = waits(&["--model", "item"]);
    assert!(code == Some(3) && told.contains("time ran out"), "{code:?} {told}");
    let (code, _, complained) = waits(&[]);
    assert!(code == Some(2) && complained.contains("before the model was known"), "{complained}");
}
