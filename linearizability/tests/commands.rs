//! The other things that the binary does: models and levels found out or given, reports, pages,
//! conversion, generation, and the recipe for a CI job.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lincheck");

fn lincheck(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }
}

/// One operation after the other, each by process 0 unless it begins with another number.
fn history(operations: &[&str]) -> String {
    let mut lines = String::new();
    for (time, operation) in operations.iter().enumerate() {
        let (process, rest) = match operation.split_once('|') {
            Some((process, rest)) => (process, rest),
            None => ("0", *operation),
        };
        let (f, answer) = rest.split_once('>').unwrap_or((rest, ""));
        for (kind, fields, at) in [("invoke", f, 2 * time), ("ok", answer, 2 * time + 1)] {
            let comma = if fields.is_empty() { "" } else { "," };
            let start = format!("{{\"process\":{process},\"type\":\"{kind}\"");
            lines += &[&*start, comma, fields].concat();
            lines += &[",\"time\":", &at.to_string(), "}\n"].concat();
        }
    }
    lines
}

#[test]
fn every_model_is_found_out_and_judged() {
    let directory = Directory::new();
    let cases = [
        ("cas-register", vec![r#""f":"write","value":1"#, r#""f":"cas","value":[1,2]"#], 0),
        ("item", vec![r#""f":"put","key":"k","value":1"#, r#""f":"get","key":"k">"value":2"#], 1),
        (
            "kv",
            vec![r#""f":"append","key":"k","value":"a""#, r#""f":"get","key":"k">"value":"a""#],
            0,
        ),
        ("set", vec![r#""f":"add","value":1"#, r#""f":"read">"value":[]"#], 1),
        ("queue", vec![r#""f":"enqueue","value":1"#, r#""f":"dequeue">"value":1"#], 0),
        ("mutex", vec![r#""f":"acquire""#, r#"1|"f":"acquire""#], 1),
        ("counter", vec![r#""f":"add","value":2"#, r#""f":"read">"value":2"#], 0),
        (
            "list-append",
            vec![
                r#""f":"txn","value":[["append","x",1]]>"value":[["append","x",1]]"#,
                r#""f":"txn","value":[["r","x",null]]>"value":[["r","x",[]]]"#,
            ],
            1,
        ),
        (
            "versioned",
            vec![
                r#""f":"txn","value":[["w","x",1]]>"value":[["w","x",1,1]]"#,
                r#""f":"txn","value":[["r","x",null]]>"value":[["r","x",1,1]]"#,
            ],
            0,
        ),
    ];
    for (model, operations, expected) in cases {
        let file = directory.file(model, &history(&operations));
        let output = lincheck(&["check", &file]);
        let out = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{model}: {out}");
        assert!(out.contains(&format!("  {model}  2 operations")), "{out}");
        // Given by name it is the same, and so is its binary form.
        let binary = directory.path("binary");
        assert!(lincheck(&["convert", "--to", "binary", &file, &binary]).status.success());
        let again = lincheck(&["check", "--model", model, "--format", "binary", &binary]);
        assert_eq!(again.status.code(), Some(expected), "{model}: {}", text(&again.stderr));
    }
}

#[test]
fn each_level_has_its_own_verdict() {
    let directory = Directory::new();
    // Process 1 reads an old value: stale in real time, fine in its own order.
    let stale = history(&[
        r#""f":"write","value":1"#,
        r#""f":"write","value":2"#,
        r#"1|"f":"read">"value":1"#,
    ]);
    let stale = directory.file("stale", &stale);
    let dirty = history(&[
        r#""f":"txn","value":[["append","x",1]]>"value":[["append","x",1]]"#,
        r#"1|"f":"txn","value":[["r","x",null]]>"value":[["r","x",[]]]"#,
    ]);
    let dirty = directory.file("dirty", &dirty);
    let cases = [
        (&stale, "linearizable", Some(1)),
        (&stale, "sequential", Some(0)),
        (&stale, "session", Some(0)),
        (&stale, "read-your-writes", Some(0)),
        (&stale, "monotonic-reads", Some(0)),
        (&stale, "monotonic-writes", Some(0)),
        (&stale, "writes-follow-reads", Some(0)),
        (&stale, "convergence", Some(1)),
        (&stale, "serializable", Some(2)),
        (&dirty, "strict-serializable", Some(1)),
        (&dirty, "serializable", Some(0)),
        (&dirty, "linearizable", Some(2)),
    ];
    for (file, level, expected) in cases {
        let output = lincheck(&["check", "--level", level, file]);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), expected, "{level}: {told}");
    }
    let told = text(&lincheck(&["check", &dirty]).stdout);
    assert!(told.contains("G-single-realtime: a cycle of"), "{told}");
    assert!(told.contains("So each of them must come before itself."), "{told}");
    let refused = lincheck(&["check", "--level", "serializable", &stale]);
    let expected = format!("error: {stale}: model cas-register has no level serializable\n");
    assert_eq!(text(&refused.stderr), expected);
}

#[test]
fn a_legal_verdict_says_what_it_could_hide() {
    let directory = Directory::new();
    let ambiguous =
        [r#""f":"write","value":1"#, r#""f":"write","value":1"#, r#""f":"read">"value":1"#];
    let file = directory.file("ambiguous", &history(&ambiguous));
    let told = text(&lincheck(&["check", &file]).stdout);
    assert!(told.contains("warning: this history could hide 1 stale reads"), "{told}");
    let document = text(&lincheck(&["check", "--json", &file]).stdout);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let warning = document["histories"][0]["warning"].as_str().unwrap();
    assert!(warning.contains("let the workload write distinct values"), "{warning}");
    let distinct =
        [r#""f":"write","value":1"#, r#""f":"write","value":2"#, r#""f":"read">"value":2"#];
    let file = directory.file("distinct", &history(&distinct));
    assert!(!text(&lincheck(&["check", &file]).stdout).contains("warning"));
}

#[test]
fn explain_shows_the_order_of_a_legal_history() {
    let directory = Directory::new();
    let operations = [r#""f":"write","value":1"#, r#"1|"f":"read">"value":1"#];
    let file = directory.file("legal", &history(&operations));
    let output = lincheck(&["explain", &file]);
    let expected = "  took effect in this order, for example:\n
    line 1      process 0    key 0  write 1
    line 3      process 1    key 0  read -> 1\n";
    assert!(text(&output.stdout).contains(expected), "{}", text(&output.stdout));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_is_planted_is_found_and_what_is_not_is_not() {
    let directory = Directory::new();
    let file = directory.path("history");
    for model in ["register", "cas-register", "item"] {
        for more in [&["--values", "20"][..], &["--unknown", "0.05"], &["--to", "binary"]] {
            let base = ["generate", "--model", model, "--operations", "400", "--clients", "5"];
            let legal = [&base[..], more, &["--seed", "3", &file]].concat();
            let output = lincheck(&legal);
            assert!(output.status.success(), "{}", text(&output.stderr));
            let checked = lincheck(&["check", "--model", model, &file]);
            assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
            for violation in ["stale-read", "invented-read", "future-read"] {
                if violation == "future-read" && more[0] == "--values" {
                    continue; // of 20 values every one was written before
                }
                let output = lincheck(&[&legal[..], &["--violation", violation]].concat());
                let told = text(&output.stderr);
                assert!(output.status.success(), "{model} {more:?} {violation}: {told}");
                assert!(told.contains("the search finds it illegal, too"), "{told}");
                let checked = lincheck(&["check", "--model", model, &file]);
                assert_eq!(checked.status.code(), Some(1), "{}", text(&checked.stdout));
            }
        }
    }
    let none = ["generate", "--operations", "2", "--violation", "stale-read", &file];
    let output = lincheck(&none);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error: no read can be changed so"));
    assert_eq!(lincheck(&["generate", "--model", "queue", &file]).status.code(), Some(2));
    assert_eq!(lincheck(&["generate", "--unknown", "1.5", &file]).status.code(), Some(2));
    assert_eq!(lincheck(&["generate", "--clients", "0", &file]).status.code(), Some(2));
}

#[test]
fn reports_name_every_file() {
    let directory = Directory::new();
    let legal = directory.file("legal", &history(&[r#""f":"write","value":1"#]));
    let illegal = directory.file("illegal", &history(&[r#""f":"read">"value":"<&""#]));
    let broken = directory.file("broken", "{\"process\":0}\n");
    let (junit, pages) = (directory.path("junit.xml"), directory.path("pages"));
    let output = lincheck(&[
        "check",
        "--progress",
        "--json",
        "--junit",
        &junit,
        "--html",
        &pages,
        &legal,
        &illegal,
        &broken,
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).starts_with(&format!("1 of 3: {legal}\n2 of 3: {illegal}\n")));
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(xml.contains("tests=\"3\" failures=\"1\" errors=\"1\""), "{xml}");
    assert!(xml.contains("<failure type=\"illegal\" message=\"key 0: no order"), "{xml}");
    assert!(xml.contains("read -&gt; &lt;&amp;"), "{xml}");
    assert!(xml.contains("<error type=\"unusable\""), "{xml}");
    let mut written: Vec<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(written, ["001-legal.html", "002-illegal.html"]);
    let page = fs::read_to_string(Path::new(&pages).join("002-illegal.html")).unwrap();
    assert!(page.contains("illegal (linearizable), 1 operations"), "{page}");
    for outside in ["http://", "https://", "src=", "@import"] {
        assert!(!page.contains(outside), "a page needs nothing else, but has {outside}");
    }
    let one = directory.path("one.html");
    let both = lincheck(&["check", "--html", &one, &legal, &illegal]);
    assert_eq!(both.status.code(), Some(2), "one page for two files");
    assert_eq!(lincheck(&["check", "--html", &one, &legal]).status.code(), Some(0));
    assert!(fs::read_to_string(&one).unwrap().contains("legal (linearizable)"));
}

#[test]
fn a_stream_is_judged_as_it_comes() {
    let directory = Directory::new();
    let operations =
        [r#""f":"write","value":1"#, r#""f":"write","value":2"#, r#"1|"f":"read">"value":1"#];
    // Known once nothing can have been invoked at the time of the return any more.
    let later = [&operations[..], &[r#""f":"write","value":3"#]].concat();
    let stale = history(&later) + "this is never read\n";
    let legal = directory.file("legal", &history(&operations[..2]));
    let stale = directory.file("stale", &stale);
    let broken = directory.file("broken", &(history(&operations[..2]) + "no line\n"));
    let watch = |more: &[&str], file: &str| {
        let output = lincheck(&[&["watch", "--model", "register"], more, &[file]].concat());
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(watch(&[], &legal), (0, format!("{legal}  register  4 events  legal\n")));
    let (code, told) = watch(&[], &stale);
    let expected = "nothing survives the return of line 5 (key 0, which could only hold 2)\n";
    assert!(code == 1 && told.contains("illegal") && told.ends_with(expected), "{told}");
    let expected = "legal, if nothing of unknown outcome takes effect after 1.5 s\n";
    let (code, told) = watch(&["--unknown-expires", "1.5"], &legal);
    assert!(code == 0 && told.ends_with(expected), "{told}");
    let (code, told) = watch(&[], &broken);
    assert!(
        code == 2 && told.starts_with(&format!("error: {broken}: line 5: malformed")),
        "{told}"
    );
    assert_eq!(lincheck(&["watch", "--model", "versioned", &legal]).status.code(), Some(2));
}

#[test]
fn a_ci_job_passes_only_with_legal_histories() {
    let directory = Directory::new();
    let histories = directory.path("histories");
    fs::create_dir(&histories).unwrap();
    let workflow = fs::read_to_string(package("ci/workflow.yml")).unwrap();
    let step = workflow.lines().find_map(|line| line.trim().strip_prefix("run: linearizability/"));
    let (script, arguments) = step.unwrap().split_once(' ').unwrap();
    assert_eq!(arguments, "histories reports");
    let gate = || {
        let mut command = Command::new("bash");
        command.arg(package(script)).args(arguments.split(' ')).current_dir(directory.0.path());
        let output = command.env("LINCHECK", PROGRAM).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(gate(), (2, "no histories in histories\n".to_owned()));
    let write = |name: &str, operations: &[&str]| {
        fs::write(Path::new(&histories).join(name), history(operations)).unwrap();
    };
    write("one", &[r#""f":"write","value":1"#]);
    write("two", &[r#""f":"enqueue","value":1"#]);
    assert_eq!(gate(), (0, "all 2 histories are legal\n".to_owned()));
    let verdicts = fs::read_to_string(directory.path("reports/verdicts.json")).unwrap();
    let verdicts: serde_json::Value = serde_json::from_str(&verdicts).unwrap();
    assert_eq!(verdicts["histories"].as_array().unwrap().len(), 2);
    write("three", &[r#""f":"dequeue">"value":1"#]);
    assert_eq!(gate().0, 1);
    assert!(Path::new(&directory.path("reports/pages/002-three.html")).exists());
    assert!(
        fs::read_to_string(directory.path("reports/verdicts.xml")).unwrap().contains("<failure")
    );
    fs::remove_file(Path::new(&histories).join("three")).unwrap();
    fs::write(Path::new(&histories).join("four"), "no history").unwrap();
    assert_eq!(gate().0, 2);
}

#[test]
fn one_process_judges_all_real_histories_in_no_time() {
    let data = package("tests/data/histories");
    let mut files: Vec<String> = Vec::new();
    for folder in ["jepsen-etcd", "kv"] {
        for entry in fs::read_dir(data.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "log" || it == "txt") {
                files.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    let arguments: Vec<&str> =
        ["check", "--json"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let start = Instant::now();
    let output = lincheck(&arguments);
    let elapsed = start.elapsed();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts = fs::read_to_string(data.join("jepsen-etcd/verdicts.tsv")).unwrap();
    let histories = document["histories"].as_array().unwrap();
    assert_eq!(histories.len(), files.len(), "{}", text(&output.stderr));
    for history in histories {
        let file = history["file"].as_str().unwrap().rsplit('/').next().unwrap();
        let known = verdicts.lines().find_map(|line| line.strip_prefix(file));
        let expected = match known {
            Some(verdict) => verdict.trim(),
            None if file.ends_with("-ok.txt") => "legal",
            None => "illegal",
        };
        assert_eq!(history["verdict"], expected, "{file}");
    }
    println!("{} files in {:.1} ms", files.len(), elapsed.as_secs_f64() * 1e3);
}
